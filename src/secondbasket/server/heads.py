"""Limits on how long a request may take to arrive, which httptools and uvicorn do not have.

Also heads of responses that go out together with the body's first piece.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_MAX_BYTES = 64 * 1024
_SECONDS = 30.0
_BODY_PAUSE_SECONDS = 30.0
_BODY_SECONDS = 300.0

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedHeads(HttpToolsProtocol):
    """Closes connections whose request line, headers or trailers are too long or too slow.

    A body may pause for 30 s and take 5 minutes; how long it may be is for the
    routes to say. No clock counts while it is we who do not read.

    What is counted are the bytes that came since the parser last got anywhere
    (a whole head, a piece of a body, an end), so that one rule also bounds
    chunk extensions, trailers, and blank lines between requests.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unread = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._body_until: float | None = None  # in the loop's time, while a body is coming

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        super().data_received(data)
        if self._unread > _MAX_BYTES and not self.transport.is_closing():
            answering: RequestResponseCycle | None = self.cycle  # None before the first request
            if answering is None or answering.response_complete:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
            else:
                self.transport.abort()
        if self._body_until is not None:
            self._wait_for_body(self._body_until)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._deadline = self.loop.call_later(_SECONDS, self.transport.abort)

    def on_headers_complete(self) -> None:
        self._unread = 0
        self._stop_waiting()
        self._body_until = self.loop.time() + _BODY_SECONDS
        super().on_headers_complete()
        # uvicorn writes no body to a HEAD request, so nothing would take the head along.
        if self.scope["method"] != "HEAD":
            head = _HeadWithBody(self.transport)
            self.cycle.transport = head  # type: ignore[assignment]  # what a cycle uses of one

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread = 0
        self._body_until = None
        self._stop_waiting()
        super().on_message_complete()

    def _wait_for_body(self, until: float) -> None:
        self._stop_waiting()
        when = min(until, self.loop.time() + _BODY_PAUSE_SECONDS)
        self._deadline = self.loop.call_at(when, self._body_is_late)

    def _body_is_late(self) -> None:
        if self.flow.read_paused:
            self._body_until = self.loop.time() + _BODY_SECONDS
            self._wait_for_body(self._body_until)
        else:
            self.transport.abort()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _HeadWithBody:
    """One response's way to the transport: its head waits for the first piece of its body.

    uvicorn writes them one by one, and each write is a system call and wakes the reader.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = b""

    def write(self, data: bytes) -> None:
        # An interim response, 100 Continue, is what the client waits for before it sends a body.
        if self._head is None or (not self._head and data.startswith(b"HTTP/1.1 1")):
            self._transport.write(data)
        elif not self._head:
            self._head = data
        else:
            self._transport.write(self._head + data)
            self._head = None

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = None
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
