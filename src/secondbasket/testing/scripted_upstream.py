"""A real HTTP server on loopback that answers exactly as its script says, down to the bytes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any


class Exchange:
    """One request as it came, and the raw connection to answer it on."""

    def __init__(
        self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        self.path = path
        self.headers = headers
        self.body = body
        self.closed_by_client = asyncio.Event()
        self._writer = writer

    def json(self) -> Any:
        return json.loads(self.body)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def plain(self, answer: Any, status: int = 200, headers: str = "") -> None:
        """A whole JSON response."""
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        await self.send(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}"
            "Connection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    async def begin_stream(self, content_type: str = "text/event-stream") -> None:
        await self.send(
            f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
            "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )

    async def event(self, data: Any) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        await self.chunk(f"data: {text}\n\n".encode())

    async def chunk(self, block: bytes) -> None:
        """Bytes of a stream as one chunk of the transfer."""
        await self.send(b"%x\r\n%b\r\n" % (len(block), block))

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """Break the connection without a word."""
        self._writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]


class ScriptedUpstream:
    """`exchanges` holds every request in order; set `script` to choose what comes next."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.exchanges: list[Exchange] = []
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def left(self, seconds: float = 2) -> None:
        """Returns once no client holds a connection any more. Raises TimeoutError."""
        await asyncio.wait_for(self._empty.wait(), seconds)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One exchange a connection: whatever the client sends after its body is a hang-up."""
        self._writers.add(writer)
        self._empty.clear()
        try:
            path = (await reader.readline()).split()[1].decode()
            headers: dict[str, str] = {}
            while (line := (await reader.readline()).strip()) != b"":
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            exchange = Exchange(path, headers, body, writer)
            self.exchanges.append(exchange)
            await self._answer(exchange, reader)
        except (ConnectionError, asyncio.IncompleteReadError, IndexError):
            pass
        finally:
            self._writers.discard(writer)
            if not self._writers:
                self._empty.set()
            writer.close()

    async def _answer(self, exchange: Exchange, reader: asyncio.StreamReader) -> None:
        """Run the script; a client that hangs up meanwhile ends it."""
        script = asyncio.ensure_future(self.script(exchange))
        hang_up = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({script, hang_up}, return_when=asyncio.FIRST_COMPLETED)
        if script.done():
            hang_up.cancel()
            await asyncio.wait({hang_up})
            script.result()
            return
        hang_up.exception()  # gone is gone, by whatever error it was told
        exchange.closed_by_client.set()
        script.cancel()
        await asyncio.wait({script})

    def drop_clients(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def scripted_upstream(script: Script) -> AsyncIterator[ScriptedUpstream]:
    """The server, running for the length of the block."""
    upstream = ScriptedUpstream(script)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        upstream.drop_clients()
        await server.wait_closed()


def delta(text: str, **more: Any) -> dict[str, Any]:
    """One chat chunk with `text`."""
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} | more


def finish(reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    return {
        "choices": [],
        "usage": {"prompt_tokens": input_tokens, "completion_tokens": output_tokens},
    }
