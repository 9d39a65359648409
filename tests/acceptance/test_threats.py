"""Attacks from the threat list, carried out against the running product.

Each test names its case. Resource bombs (20) and the closed network (23) have
files of their own.
"""

import json
import os
import pickle
import socket
import stat
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import psutil
import pytest

from tests.acceptance.raw import request, send
from tests.running import BASKET, Running, environment, free_port
from tests.tiny_gguf import tiny_gguf

CHAT = "smollm2-135m-instruct"
EMBEDDING = "all-minilm-l6-v2"
CALLS: list[tuple[str, str, Any]] = [
    (
        "POST",
        "/v1/chat/completions",
        {"model": CHAT, "messages": [{"role": "user", "content": "a"}]},
    ),
    ("POST", "/v1/completions", {"model": CHAT, "prompt": "a"}),
    ("POST", "/v1/embeddings", {"model": EMBEDDING, "input": "a"}),
    (
        "POST",
        "/v1/messages",
        {"model": CHAT, "max_tokens": 4, "messages": [{"role": "user", "content": "a"}]},
    ),
    ("GET", "/v1/models", None),
    ("GET", f"/v1/models/{CHAT}", None),
    ("GET", "/v1/receipts/req_1", None),
]


@pytest.fixture
def web(server: Running) -> Iterator[httpx2.Client]:
    """Asks the running product; holds no key of its own."""
    with httpx2.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        yield client


class Canary:
    """A listener that notes whoever comes."""

    def __init__(self) -> None:
        self.visits: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            with visitor:
                self.visits.append(visitor.recv(65536))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def canary() -> Iterator[Canary]:
    bird = Canary()
    yield bird
    bird.close()


# 1: SQL metacharacters in the key, also where it ends in an error.


SQL = [
    "' OR '1'='1",
    "'; DROP TABLE keys; --",
    '" OR ""="',
    "sk-basket-x.' UNION SELECT secret FROM keys --",
    "sk-basket-%.%",
    "sk-basket-_.{}",
    "sk-basket-\\.\\",
    "sk-basket-" + "'" * 3000 + ".x",
    "é'ü",
    "null",
    "sk-basket-.",
    ".",
]


@pytest.mark.parametrize("secret", SQL)
@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_1_sql_in_a_key_is_a_wrong_key(
    server: Running, method: str, path: str, body: Any, secret: str
) -> None:
    content = json.dumps(body).encode() if body else b""
    headers = {"Host": f"127.0.0.1:{server.port}", "Authorization": f"Bearer {secret}"}
    wrong = headers | {"Authorization": "Bearer sk-basket-key_1.wrong"}
    answer = send(server.port, request(method, path, headers, content))
    assert answer.status == 401
    assert answer.body == send(server.port, request(method, path, wrong, content)).body


def test_1_the_keys_are_still_there(server: Running, web: httpx2.Client) -> None:
    for secret in SQL:
        named = quote(secret, safe="").replace(".", "%2e")
        for path in ("/v1/models", f"/v1/models/{named}", f"/v1/receipts/{named}"):
            headers = [(b"Authorization", f"Bearer {secret}".encode())]
            assert web.get(path, headers=headers).status_code == 401
    assert web.get("/v1/models", headers=server.headers).status_code == 200
    assert len(server.basket("key", "list")) > 0


def test_1_sql_in_other_fields_of_an_authenticated_call(
    server: Running, web: httpx2.Client
) -> None:
    for text in SQL:
        body = {"model": text, "messages": [{"role": "user", "content": "a"}], "user": text}
        answer = web.post("/v1/chat/completions", json=body, headers=server.headers)
        assert answer.status_code in (400, 404)
        named = quote(text, safe="").replace(".", "%2e")
        assert web.get(f"/v1/receipts/{named}", headers=server.headers).status_code == 404


# 2 and 13: nothing a caller says makes the server connect anywhere, or send a key there.


def test_13_no_field_or_header_makes_the_server_call_out(
    server: Running, web: httpx2.Client, canary: Canary
) -> None:
    there = canary.url
    steering: list[dict[str, Any]] = [
        {name: there}
        for name in ("api_base", "base_url", "endpoint", "api_version", "custom_llm_provider")
    ]
    steering += [{"extra_headers": {"Host": there}}, {"headers": {"X": there}}]
    messages = {"model": CHAT, "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
    for fields in steering:
        answer = web.post("/v1/chat/completions", json=messages | fields, headers=server.headers)
        assert answer.status_code == 400, fields
        assert answer.json()["error"]["code"] == "unsupported_field"
    for part in (
        {"type": "image_url", "image_url": {"url": f"{there}/x.png"}},
        {"type": "input_audio", "input_audio": {"data": there, "format": "wav"}},
        {"type": "file", "file": {"file_id": there}},
    ):
        body = messages | {"messages": [{"role": "user", "content": [part]}]}
        answer = web.post("/v1/chat/completions", json=body, headers=server.headers)
        assert answer.status_code == 400
    reference = {"type": "object", "properties": {"a": {"$ref": f"{there}/schema.json"}}}
    tools = [{"type": "function", "function": {"name": "t", "parameters": reference}}]
    web.post(
        "/v1/chat/completions",
        json=messages | {"tools": tools, "tool_choice": "required"},
        headers=server.headers,
    )
    told = {"X-Forwarded-Host": there, "X-Original-URL": there, "Referer": there, "Origin": there}
    web.post("/v1/chat/completions", json=messages, headers=server.headers | told)
    assert canary.visits == []


# 6: a Host header that moves the path.


HOSTS = [
    "127.0.0.1/v1/models?",
    "127.0.0.1/healthz?",
    "a/?#",
    "127.0.0.1#",
    "127.0.0.1?x=",
    "127.0.0.1:80/healthz",
    "127.0.0.1@evil.example",
    "evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1 evil.example",
    "127.0.0.1,evil.example",
    "[::1",
    "localhost:8400:80",
    "localhost:99999999",
    "2130706433",
    "",
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/", "/metrics"])
def test_6_a_forged_host_reaches_nothing(server: Running, host: str, path: str) -> None:
    headers = {"Host": host, "Authorization": f"Bearer {server.key}"}
    assert send(server.port, request("GET", path, headers)).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Host", "127.0.0.1"), ("Host", "evil.example")],
        [("Host", "evil.example"), ("X-Forwarded-Host", "127.0.0.1")],
        [("Host", "evil.example"), ("Forwarded", "host=127.0.0.1")],
    ],
)
def test_6_no_host_or_two_hosts_reach_nothing(
    server: Running, headers: list[tuple[str, str]]
) -> None:
    assert send(server.port, request("GET", "/healthz", headers)).status == 400


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models?/healthz",
        "/healthz/../v1/models",
        "/healthz%2f..%2fv1/models",
        "//v1/models",
        "/v1//models",
        "/v1/models/",
        "/V1/MODELS",
        "/v1/models;/healthz",
        "/v1/models#/healthz",
        "/.//v1/models",
        "http://127.0.0.1/v1/models",
        "http://evil.example/v1/models",
    ],
)
def test_6_no_spelling_of_a_path_needs_no_key(server: Running, target: str) -> None:
    answer = send(server.port, request("GET", target, {"Host": f"127.0.0.1:{server.port}"}))
    assert answer.status in (307, 400, 401, 404, 405)
    assert b"smollm2" not in answer.body


# 9: a route reads a key from the headers of its own wire; /v1/messages alone knows `x-api-key`,
# and there a key has the rights it has anywhere (tests/contracts/anthropic).


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "{key}"},
        {"api-key": "{key}"},
        {"X-Authorization": "Bearer {key}"},
        {"Authorization": "Basic {key}"},
        {"Authorization": "{key}"},
        {"Cookie": "key={key}; session={key}"},
        {"Authorization": "Bearer wrong", "x-api-key": "{key}"},
    ],
)
def test_9_a_key_is_read_from_one_header_only(
    server: Running, web: httpx2.Client, headers: dict[str, str]
) -> None:
    filled = {name: value.format(key=server.key) for name, value in headers.items()}
    assert web.get("/v1/models", headers=filled).status_code == 401
    assert web.get("/v1/models", params={"api_key": server.key}).status_code == 401


# 15: path traversal in names.


TRAVERSALS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%5c..%5csecrets",
    "%2fetc%2fpasswd",
    "..%00/secrets/pepper",
    "....//....//secrets/pepper",
    "../secrets/pepper",
    "../secrets/local.key",
]


@pytest.mark.parametrize("name", TRAVERSALS)
@pytest.mark.parametrize("prefix", ["/static/", "/console/static/", "/v1/models/", "/v1/receipts/"])
def test_15_no_path_leads_out(server: Running, prefix: str, name: str) -> None:
    headers = {"Host": f"127.0.0.1:{server.port}", **server.headers}
    answer = send(server.port, request("GET", prefix + name, headers))
    assert answer.status in (303, 307, 400, 401, 403, 404), answer.body[:200]
    assert b"root:" not in answer.body
    assert (server.home / "secrets" / "pepper").read_bytes() not in answer.body


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/abs", ".hidden", "a\\b", "a\nb", ""])
def test_15_no_model_gets_a_name_that_is_a_path(server: Running, tmp_path: Path, name: str) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(tiny_gguf())
    before = sorted((server.home / "models" / "manifests").iterdir())
    done = command(server, "model", "pull", f"file:{file}", "--name", name)
    assert done.returncode != 0
    assert sorted((server.home / "models" / "manifests").iterdir()) == before


def command(server: Running, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [BASKET, *arguments],
        env=environment(server.home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )


# 16 and 18: files that lie, and files that are programs.


def lying_gguf() -> bytes:
    """Declares a tensor of 2^40 floats in a file of some hundred bytes."""
    honest = tiny_gguf(floats=256)
    return honest.replace(struct.pack("<IQ", 1, 256), struct.pack("<IQ", 1, 1 << 40), 1)


def lying_safetensors() -> bytes:
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}})
    return struct.pack("<Q", len(header)) + header.encode() + bytes(64)


class Payload:
    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mknod, (str(self.touched),)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("lying.gguf", lying_gguf()),
        ("truncated.gguf", tiny_gguf(floats=4096)[:-1]),
        ("header.gguf", tiny_gguf()[:30]),
        ("empty.gguf", b""),
        ("lying.safetensors", lying_safetensors()),
        ("endless.safetensors", struct.pack("<Q", 1 << 60) + b"{}"),
    ],
)
def test_16_a_lying_file_is_refused_before_an_engine_sees_it(
    server: Running, tmp_path: Path, name: str, content: bytes
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    done = command(server, "model", "pull", f"file:{file}", "--name", "liar")
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr
    assert command(server, "model", "show", "liar").returncode != 0


@pytest.mark.parametrize(
    "name", ["model.pkl", "pytorch_model.bin", "model.pt", "model.gguf", "model.safetensors"]
)
def test_18_a_pickle_is_refused_and_not_run(server: Running, tmp_path: Path, name: str) -> None:
    touched = tmp_path / "touched"
    file = tmp_path / name
    file.write_bytes(pickle.dumps(Payload(touched)))
    done = command(server, "model", "pull", f"file:{file}", "--name", "pickled")
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr
    assert not touched.exists()
    pickle.loads(file.read_bytes())  # the payload is a real one
    assert touched.exists()


# 19: error bodies that leak internals.


def test_19_no_error_tells_how_the_house_is_built(server: Running, web: httpx2.Client) -> None:
    held = server.headers
    asks: list[tuple[str, str, bytes, dict[str, str]]] = [
        ("POST", path, body, headers)
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
        for body in (
            b"",
            b"{",
            b"\xff\xfe",
            b"[]",
            b'{"model": 1}',
            b'{"model": "no/../such"}',
            json.dumps(
                {"model": CHAT, "messages": [{"role": "user", "content": "a " * 9000}]}
            ).encode(),
            json.dumps({"model": CHAT, "messages": [{"role": "nobody"}]}).encode(),
            json.dumps(
                {
                    "model": CHAT,
                    "messages": [{"role": "user", "content": "a"}],
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "x", "schema": {"type": "nothing", "pattern": "("}},
                    },
                }
            ).encode(),
            json.dumps(
                {
                    "model": CHAT,
                    "messages": [{"role": "user", "content": "a"}],
                    "tools": [{"type": "function", "function": {"name": "x" * 300}}],
                }
            ).encode(),
        )
        for headers in (held, {})
    ]
    asks += [
        (method, path, b"", headers)
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")
        for path in ("/nowhere", "/v1/models/none", "/v1/receipts/none", "/admin/keys", "/docs")
        for headers in (held, {})
    ]
    secret = (server.home / "secrets" / "pepper").read_bytes()
    for method, path, body, headers in asks:
        answer = web.request(method, path, content=body, headers=headers)
        text = answer.text
        where = f"{method} {path} {body[:80]!r} → {answer.status_code}: {text[:300]}"
        assert 400 <= answer.status_code < 500 or answer.status_code == 303, where
        for leak in (
            *("Traceback", 'File "', ".py", "site-packages", "sqlalchemy", "msgspec", "starlette"),
            *("127.0.0.1:", str(server.home), str(Path.home()), "0x7f", server.key),
        ):
            assert leak not in text, f"{leak!r} in {where}"
        assert secret not in answer.content
        assert "server" not in answer.headers


# 21: everything listens on loopback and asks for a key.


def family(server: Running) -> list[psutil.Process]:
    process = psutil.Process(server.process.pid)
    return [process, *process.children(recursive=True)]


def test_21_every_listening_socket_is_on_loopback(server: Running) -> None:
    addresses = {
        connection.laddr.ip
        for process in family(server)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses
    assert addresses <= {"127.0.0.1", "::1"}


def test_21_the_engines_ask_for_a_key_too(server: Running) -> None:
    ports = {
        connection.laddr.port
        for process in family(server)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    } - {server.port}
    assert len(ports) >= 2  # the chat and the embedding engine
    with httpx2.Client(timeout=20, trust_env=False) as neighbour:
        for port in ports:
            for method, path in (
                ("POST", "/v1/chat/completions"),
                ("POST", "/v1/embeddings"),
                ("POST", "/completion"),
                ("GET", "/slots"),
                ("GET", "/props"),
                ("GET", "/lora-adapters"),
            ):
                for headers in ({}, {"Authorization": f"Bearer {server.key}"}):
                    answer = neighbour.request(
                        method, f"http://127.0.0.1:{port}{path}", json={}, headers=headers
                    )
                    assert answer.status_code in (401, 403, 404), (port, path, answer.text[:200])
            page = neighbour.get(f"http://127.0.0.1:{port}/")
            assert "<html" not in page.text.lower()


def test_21_no_secret_of_an_engine_shows_in_the_process_list(server: Running) -> None:
    for process in family(server):
        told = " ".join(process.cmdline()).lower()
        assert "api" not in told
        assert "key" not in told


@pytest.mark.parametrize(
    "path",
    ["/admin/keys", "/admin/status", "/admin/models", "/admin/shutdown", "/keys", "/shutdown"],
)
def test_21_the_admin_door_is_not_on_the_network(
    server: Running, web: httpx2.Client, path: str
) -> None:
    for method in ("GET", "POST"):
        answer = web.request(method, path, headers=server.headers)
        assert answer.status_code in (303, 404, 405), answer.text


def test_21_the_admin_socket_is_its_owners_alone(server: Running) -> None:
    admin = server.home / "run" / "admin.sock"
    assert stat.S_ISSOCK(admin.stat().st_mode)
    assert stat.S_IMODE(admin.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.home.stat().st_mode) == 0o700


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "my-host.example"])
def test_21_no_other_bind_without_consent(home: Path, host: str) -> None:
    done = subprocess.run(
        [BASKET, "up", "--host", host, "--port", str(free_port())],
        env=environment(home),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    told = done.stderr.decode()
    assert "allow_remote" in told
    assert "Traceback" not in told
