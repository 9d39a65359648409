"""Streams read from bare sockets: no client library's time is in the figures."""

import re
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec

_TOKEN = re.compile(rb'"content":\s*"[^"]')
_COUNT = re.compile(rb'"completion_tokens":\s*(\d+)')
_END = b"\r\n0\r\n\r\n"


class Streamed(msgspec.Struct, frozen=True):
    """One stream: milliseconds to its first token and to its end, and the tokens it told."""

    first_ms: float
    total_ms: float
    output_tokens: int


class FirstTokens(msgspec.Struct, frozen=True):
    """Milliseconds from the request to the first token, over many streams."""

    p50_ms: float
    p99_ms: float


class Connection:
    """A kept-alive connection to one chat endpoint."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
            "content-type: application/json\r\ncontent-length: "
        )
        assert parts.hostname
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def _send(self, body: bytes) -> None:
        self._socket.sendall(f"{self._head}{len(body)}\r\n\r\n".encode() + body)

    def leave(self, body: bytes) -> None:
        """Send one request and go away once its answer has begun."""
        self._send(body)
        self._socket.recv(1)
        self._socket.close()

    def ask(self, body: bytes) -> Streamed:
        """Send one request and read its stream to the end. Raises RuntimeError when it fails."""
        self._send(body)
        begun = time.perf_counter()
        received, first = bytearray(), 0.0
        while not received.endswith(_END):
            piece = self._socket.recv(65536)
            if not piece:
                raise RuntimeError(f"the stream broke off: {bytes(received[-300:])!r}")
            received += piece
            if not first and _TOKEN.search(received):
                first = time.perf_counter() - begun
        total = time.perf_counter() - begun
        counts = _COUNT.findall(received)
        if not first or not counts:
            raise RuntimeError(f"no token came: {bytes(received[:400])!r}")
        return Streamed(first * 1000, total * 1000, int(counts[-1]))


@contextmanager
def connected(url: str, key: str, count: int) -> Iterator[list[Connection]]:
    connections = [Connection(url, key) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


def first_tokens(url: str, *, key: str, body: bytes, calls: int) -> FirstTokens:
    """Streams one after another over one connection; the first few are not counted."""
    with connected(url, key, 1) as (connection,):
        times = [connection.ask(body).first_ms for _ in range(calls + 5)][5:]
    return FirstTokens(statistics.median(times), statistics.quantiles(times, n=100)[98])


def together(url: str, *, key: str, bodies: list[bytes]) -> tuple[float, list[Streamed]]:
    """All `bodies` at once, a connection each: tokens a second of all, and each stream."""
    with (
        connected(url, key, len(bodies)) as connections,
        ThreadPoolExecutor(len(bodies)) as threads,
    ):
        begun = time.perf_counter()
        streams = list(threads.map(Connection.ask, connections, bodies))
        seconds = time.perf_counter() - begun
    return sum(stream.output_tokens for stream in streams) / seconds, streams
