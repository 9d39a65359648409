"""HTTP written by hand, for requests that no client library would send."""

import socket
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Raw:
    """`status` is 0 where the server closed the connection without an answer."""

    status: int
    body: bytes


def send(port: int, data: bytes, *, seconds: float = 20.0) -> Raw:
    """Send `data` as it is, read until the server closes or has sent one whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as wire:
        with suppress(ConnectionError):  # refused in the middle: its answer may still be there
            wire.sendall(data)
        return read_answer(wire)


def read_answer(wire: socket.socket) -> Raw:
    received = b""
    try:
        while b"\r\n\r\n" not in received:
            block = wire.recv(65536)
            if not block:
                break
            received += block
        head, _, body = received.partition(b"\r\n\r\n")
        length = _content_length(head)
        while length is None or len(body) < length:
            block = wire.recv(65536)
            if not block:
                break
            body += block
    except ConnectionError:
        head, _, body = received.partition(b"\r\n\r\n")
    return Raw(int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/") else 0, body)


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return None


def request(
    method: str, target: str, headers: dict[str, str] | list[tuple[str, str]], body: bytes = b""
) -> bytes:
    """The bytes of a request whose parts are not checked by anybody."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body
