"""The server's end of one connection: whole responses, and every way to break one."""

import asyncio
from collections.abc import Mapping
from typing import Never


class Line:
    """One exchange on a connection. HTTP/1.1, kept alive unless it was broken."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.broken = False

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def respond(
        self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """A whole response with a JSON body."""
        await self.begin_body(len(body), status=status, headers=headers)
        await self.send(body)

    async def begin_body(
        self, length: int, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """The head of a response whose body of `length` bytes is yet to come."""
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        await self.send(
            f"HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n{more}"
            f"Content-Length: {length}\r\n\r\n".encode()
        )

    async def begin_stream(self, content_type: str = "text/event-stream") -> None:
        """The head of a response in chunked encoding."""
        await self.send(
            f"HTTP/1.1 200 Scripted\r\nContent-Type: {content_type}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )

    async def events(self, *blocks: bytes) -> None:
        """Events of a stream, each a chunk of its own."""
        for block in blocks:
            await self.send(b"%x\r\n%b\r\n" % (len(block), block))

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """Break the connection: the other end gets a TCP reset."""
        self.broken = True
        self._writer.transport.abort()

    def close(self) -> None:
        """Break off between two bytes: the other end reads the end of the connection."""
        self.broken = True
        self._writer.close()

    async def silence(self) -> Never:
        """Say nothing more, for as long as the other end listens."""
        self.broken = True
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def drip(self, data: bytes, *, every: float) -> None:
        """`data` a byte at a time, `every` seconds."""
        self.broken = True
        for byte in data:
            await self.send(bytes([byte]))
            await asyncio.sleep(every)
