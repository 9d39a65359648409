"""Threat 20: what is sent to exhaust the product is refused, bounded, and harms nobody else."""

import gzip
import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx2
import psutil
import pytest

from tests.acceptance.raw import read_answer, request, send
from tests.running import Running

CHAT = "smollm2-135m-instruct"
ASK = [{"role": "user", "content": "a"}]
MIB = 1024 * 1024


@pytest.fixture
def web(server: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=server.url, headers=server.headers, timeout=60, trust_env=False
    ) as client:
        yield client


@pytest.fixture(autouse=True)
def unharmed(server: Running, web: httpx2.Client) -> Iterator[None]:
    """After each attack the gateway is no bigger to speak of, and answers a real call."""
    gateway = psutil.Process(server.process.pid)
    before = gateway.memory_info().rss
    yield
    body = {"model": CHAT, "messages": ASK, "max_tokens": 2}
    assert web.post("/v1/chat/completions", json=body).status_code == 200
    assert gateway.memory_info().rss - before < 150 * MIB


def chat(**more: Any) -> bytes:
    return json.dumps({"model": CHAT, "messages": ASK, "max_tokens": 2} | more).encode()


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
@pytest.mark.parametrize("path", ["chat/completions", "completions", "embeddings"])
def test_a_decompression_bomb_is_not_opened(
    web: httpx2.Client, path: str, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    bomb = compress(b"[" + b" " * (64 * MIB) + b"]")
    headers = {"Content-Encoding": encoding}
    answer = web.post(f"/v1/{path}", content=bomb, headers=headers)
    assert answer.status_code == 400
    assert encoding in answer.json()["error"]["message"]


def test_ten_megabytes_are_too_much(web: httpx2.Client) -> None:
    answer = web.post("/v1/chat/completions", content=b"x" * 10_000_000)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


def test_a_body_without_an_end_is_cut_off(server: Running) -> None:
    """Chunked, so that no length is declared: 64 MiB are sent, 8 are read."""
    head = request(
        "POST",
        "/v1/chat/completions",
        {
            "Host": f"127.0.0.1:{server.port}",
            "Transfer-Encoding": "chunked",
            **server.headers,
        },
    )
    chunk = b"100000\r\n" + b" " * MIB + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        with suppress(ConnectionError):
            wire.sendall(head)
            for _ in range(64):
                wire.sendall(chunk)
        assert read_answer(wire).status in (413, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        chat(metadata=[])[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m","messages":[{"role":"user","content":' + b"[" * 500_000,
    ],
    ids=["lists", "objects", "unknown field", "content"],
)
def test_deep_nesting_is_refused(web: httpx2.Client, body: bytes) -> None:
    answer = web.post("/v1/chat/completions", content=body)
    assert answer.status_code == 400


def test_a_million_messages_are_refused_quickly(web: httpx2.Client) -> None:
    head = b'{"model":"%s","messages":[' % CHAT.encode()
    for messages in ([b"{}"] * 1_000_000, [b'{"role":"user","content":""}'] * 250_000):
        attack = head + b",".join(messages) + b"]}"
        begun = time.monotonic()
        answer = web.post("/v1/chat/completions", content=attack)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "messages"
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$(((("}}},
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 10**9}}},
        {"type": "array", "items": {"type": "integer"}, "minItems": 10**9},
        {"type": "string", "enum": [str(number) for number in range(50_000)]},
        {"type": ["object", 7, None]},
        {"properties": "none"},
        {"anyOf": [{"anyOf": [{"anyOf": [{}] * 50}] * 50}] * 20},
    ],
    ids=[
        *("endless", "circle", "pattern", "long text", "long list", "many values", "bad type"),
        *("bad properties", "many branches"),
    ],
)
def test_a_malformed_tool_schema_harms_nobody(
    web: httpx2.Client, server: Running, parameters: dict[str, Any]
) -> None:
    """Whatever becomes of the call, the engine lives: the same child answers before and after."""
    engines = engine_ids(server)
    tools = [{"type": "function", "function": {"name": "t", "parameters": parameters}}]
    for choice in ("auto", "required"):
        answer = web.post(
            "/v1/chat/completions",
            content=chat(tools=tools, tool_choice=choice, max_tokens=8),
            timeout=60,
        )
        assert answer.status_code in (200, 400), answer.text
    response_format = {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": parameters},
    }
    answer = web.post("/v1/chat/completions", content=chat(response_format=response_format))
    assert answer.status_code in (200, 400), answer.text
    assert engine_ids(server) == engines


def engine_ids(server: Running) -> set[int]:
    return {child.pid for child in psutil.Process(server.process.pid).children(recursive=True)}


def test_headers_without_an_end_are_cut_off(server: Running) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        block = b"".join(b"X-%06d: %s\r\n" % (number, b"a" * 1000) for number in range(64))
        with suppress(ConnectionError):
            while sent < 64 * MIB:
                wire.sendall(block)
                sent += len(block)
        assert sent < 16 * MIB
        assert read_answer(wire).status in (0, 400, 431)


def test_one_header_without_an_end_is_cut_off(server: Running) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        with suppress(ConnectionError):
            while sent < 64 * MIB:
                wire.sendall(b"a" * 65536)
                sent += 65536
        assert sent < 16 * MIB
        assert read_answer(wire).status in (0, 400, 431)


def test_a_crowd_of_idle_callers_keeps_nobody_waiting(server: Running, web: httpx2.Client) -> None:
    callers = []
    try:
        for number in range(200):
            wire = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            callers.append(wire)
            if number % 2:
                wire.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            else:
                headers = {"Host": "127.0.0.1", "Content-Length": "1000", **server.headers}
                wire.sendall(request("POST", "/v1/chat/completions", headers) + b'{"model"')
        begun = time.monotonic()
        assert web.get("/healthz").status_code == 200
        assert web.get("/v1/models").status_code == 200
        assert time.monotonic() - begun < 2
    finally:
        for wire in callers:
            wire.close()


def test_bytes_that_are_no_http_are_refused(server: Running) -> None:
    for noise in (b"\x16\x03\x01\x02\x00" + bytes(512), b"SSH-2.0-x\r\n\r\n", bytes(4096)):
        assert send(server.port, noise).status in (0, 400)
