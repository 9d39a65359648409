"""Connections that never come to the point, against a real listener."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

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


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[int]:
    listening = listen_tcp("127.0.0.1", 0)
    listener = Listener(app, listening, drain_seconds=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.run)
        try:
            yield listening.getsockname()[1]
        finally:
            listener.stop()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving(echo_length) as port:
        yield port


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


BODIES = [HEAD + b"Content-Length: 1000\r\n\r\n", CHUNKED + b"3e8\r\n"]


async def drip(port: int, head: bytes, *, pause: float) -> None:
    """Send `head`, then a byte of its body after every `pause` seconds, until it is cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    closed = asyncio.ensure_future(reader.read())
    with anyio.fail_after(5):
        while not closed.done():
            writer.write(b"a")
            await asyncio.wait([closed], timeout=pause)
    writer.close()
    assert closed.exception() is not None or closed.result() == b""


@pytest.mark.parametrize("head", BODIES, ids=["length", "chunked"])
async def test_a_body_that_stops_coming_is_cut_off(
    port: int, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_BODY_PAUSE_SECONDS", 0.1)
    await drip(port, head, pause=5)


@pytest.mark.parametrize("head", BODIES, ids=["length", "chunked"])
async def test_a_body_that_comes_too_slowly_is_cut_off(
    port: int, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_BODY_SECONDS", 0.2)
    await drip(port, head, pause=0.02)


async def test_a_body_that_goes_on_after_its_answer_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": EMPTY})
        await send({"type": "http.response.body"})

    monkeypatch.setattr(heads, "_BODY_SECONDS", 0.2)
    async with serving(refuse) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(BODIES[0])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401")
        closed = asyncio.ensure_future(reader.read())
        with anyio.fail_after(5):
            while not closed.done():
                writer.write(b"a")
                await asyncio.wait([closed], timeout=0.02)
        closed.exception()
        writer.close()


async def test_a_body_that_we_do_not_read_yet_has_no_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second request waits until the first is answered; so does what is left of its body."""
    monkeypatch.setattr(heads, "_BODY_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(heads, "_BODY_SECONDS", 0.1)
    slow = anyio.Event()

    async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await slow.wait()
        await echo_length(scope, receive, send)

    async with serving(slowly) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        writer.write(HEAD + b"Content-Length: 2\r\n\r\na")
        await asyncio.sleep(0.3)  # far longer than either limit
        writer.write(b"a")
        slow.set()
        with anyio.fail_after(5):
            for size in (b"0", b"2"):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(1) == size
        writer.close()


EMPTY = [(b"content-length", b"0")]


def answering(status: int, length: list[tuple[bytes, bytes]], *pieces: bytes) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": length})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    return answer


@pytest.mark.parametrize(
    ("app", "method", "status", "body"),
    [
        (answering(200, [(b"content-length", b"4")], b"ab", b"cd"), b"GET", b"200 OK", b"abcd"),
        (answering(200, [(b"content-length", b"4")], b"abcd"), b"HEAD", b"200 OK", b""),
        (answering(200, [], b"ab", b"c"), b"HEAD", b"200 OK", b""),
        (answering(200, []), b"GET", b"200 OK", b"0\r\n\r\n"),
        (answering(200, [], b"ab", b"c"), b"GET", b"200 OK", b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        (answering(200, EMPTY), b"GET", b"200 OK", b""),
        (answering(204, []), b"GET", b"204 No Content", b""),
        (answering(304, []), b"GET", b"304 Not Modified", b""),
    ],
    ids=["plain", "HEAD", "HEAD of a stream", "empty stream", "stream", "empty", "204", "304"],
)
async def test_a_response_arrives_whole_on_a_connection_that_stays(
    app: ASGIApp, method: bytes, status: bytes, body: bytes
) -> None:
    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
            with anyio.fail_after(2):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 " + status + b"\r\n")
                assert await reader.readexactly(len(body)) == body
        writer.close()


async def test_a_streams_pieces_go_out_as_they_come() -> None:
    more = anyio.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await more.wait()
        await send({"type": "http.response.body", "body": b"second"})

    async with serving(stream) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with anyio.fail_after(2):
            assert (await reader.readuntil(b"first\r\n")).startswith(b"HTTP/1.1 200")
            more.set()
            assert await reader.readuntil(b"0\r\n\r\n") == b"6\r\nsecond\r\n0\r\n\r\n"
        writer.close()


@pytest.mark.parametrize("pieces", [(), (b"ab",)], ids=["head only", "in the body"])
async def test_a_response_that_is_not_completed_ends_with_its_connection(
    pieces: tuple[bytes, ...],
) -> None:
    async def stop(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    async with serving(stop) as port:
        with anyio.fail_after(2):
            said = await exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == (b"2\r\nab\r\n" if pieces else b"")


async def test_a_head_and_the_first_piece_of_a_body_are_one_write() -> None:
    written: list[bytes] = []

    class Wire(asyncio.Transport):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            written.append(bytes(data))

    way = heads._HeadWithBody(Wire())
    for data in (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"ab", b"cd"):
        way.write(data)
    assert written == [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nab", b"cd"]


async def test_a_client_that_waits_for_100_continue_gets_it_at_once(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        with anyio.fail_after(2):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"ab")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(1) == b"2"
    writer.close()
