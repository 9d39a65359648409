"""Connections that never come to the point, against a real listener."""

import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest
from starlette.types import Receive, Scope, Send

from secondbasket.server import heads
from secondbasket.server.listen import listen_tcp
from secondbasket.server.serve import Listener

pytestmark = pytest.mark.anyio
KIB = 1024


async def echo_length(scope: Scope, receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    length = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listening = listen_tcp("127.0.0.1", 0)
    listener = Listener(echo_length, listening, drain_seconds=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.run)
        yield listening.getsockname()[1]
        listener.stop()


async def exchange(port: int, *blocks: bytes) -> bytes:
    """Everything the server says to `blocks` until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    try:
        for block in blocks:
            writer.write(block)
            await writer.drain()
        said = await reader.read()
    except ConnectionError:
        pass
    writer.close()
    return said


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "blocks",
    [
        (HEAD, *[b"X-%04d: %s\r\n" % (number, b"a" * KIB) for number in range(512)]),
        (HEAD + b"X: ", *[b"a" * KIB] * 512),
        (b"GET /", *[b"a" * KIB] * 512),
        (b"\r\n" * KIB,) * 512,
        (CHUNKED + b"0\r\n", *[b"X-%04d: %s\r\n" % (number, b"a" * KIB) for number in range(512)]),
        (CHUNKED + b"1;", *[b"a" * KIB] * 512),
    ],
    ids=["headers", "one header", "path", "blank lines", "trailers", "chunk extension"],
)
async def test_what_never_comes_to_the_point_is_cut_off(
    port: int, blocks: tuple[bytes, ...]
) -> None:
    with anyio.fail_after(10):
        said = await exchange(port, *blocks)
    assert said == b"" or said.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))


async def test_a_head_that_comes_too_slowly_is_cut_off(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_SECONDS", 0.1)
    with anyio.fail_after(5):
        assert await exchange(port, b"") == b""
        assert await exchange(port, HEAD) == b""
        answered = await exchange(port, HEAD + b"Content-Length: 2\r\n\r\nab" + HEAD)
    assert answered.startswith(b"HTTP/1.1 200")


async def test_large_bodies_and_kept_connections_are_none_of_its_business(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for size in (0, 3_000_000, 70_000):
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % size)
        await asyncio.sleep(0.15)  # longer, all in all, than a head may take
        writer.write(b"a" * size)
        await writer.drain()
        with anyio.fail_after(10):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(len(str(size))) == str(size).encode()
    writer.close()
