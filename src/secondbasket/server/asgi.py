"""The small parts of HTTP that every door needs: headers, bodies within limits, replies."""

from collections.abc import Iterable

from starlette.types import Receive, Scope, Send

from secondbasket.errors import BodyTooLarge, InvalidRequest

Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")


class ClientGone(Exception):
    """The client left. What it had used is on record, and nobody listens any more."""


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this (lower-case) name, or None."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def bearer(scope: Scope) -> str | None:
    """The key of 'Authorization: Bearer KEY', or None; the scheme in any case (RFC 9110, 11.1)."""
    scheme, _, key = (header(scope, b"authorization") or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


async def read_body(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """The request's body. Raises BodyTooLarge before more than `limit` bytes are held."""
    encoding = header(scope, b"content-encoding")
    if encoding not in (None, "identity"):
        raise InvalidRequest(
            f"Bodies in Content-Encoding '{encoding[:40]}' are not read.",
            hint="Send the JSON uncompressed.",
        )
    declared = header(scope, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    message = await receive()
    body = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False):
        if len(body) > limit:
            raise _too_large(limit)
        return bytes(body)
    blocks, size = [body], len(body)
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
        block = message.get("body", b"")
        size += len(block)
        if size > limit:
            raise _too_large(limit)
        blocks.append(block)
    if message["type"] == "http.disconnect":
        raise ClientGone
    return b"".join(blocks)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body is larger than {limit} bytes.",
        hint="Send less, or raise server.max_body_bytes.",
    )


async def reply(send: Send, status: int, body: bytes, headers: Iterable[Header] = (JSON,)) -> None:
    """A whole response."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})
