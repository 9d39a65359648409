"""One HTTP exchange of a tool: through the door, bounded, and honest about what it may have done.

A tool must know whether its request can have arrived. Where nothing was sent
it failed, and may be called again; from the first byte on nobody knows until
the answer is read. Connections are not kept: one that the other end was just
closing would make every call after a pause such an unknown one.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from secondbasket.egress import Session
from secondbasket.errors import EgressRefused, OutcomeUnknown, ToolFailed

_CONNECT_SECONDS = 10.0
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS)
_ALWAYS = {"Connection": "close", "Accept-Encoding": "identity"}


class Body(msgspec.Struct, frozen=True):
    """The bytes of an answer, `cut` where there were more of them than were wanted."""

    content: bytes
    cut: bool


@asynccontextmanager
async def asked(
    session: Session,
    method: str,
    url: URL,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    whom: str,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer of `whom` to one request, inside the block; what breaks there is translated too.

    Raises ToolFailed where nothing was sent, OutcomeUnknown where it may have
    been received. No time limit but the connection's.
    """
    payload = _Watched(body) if body is not None else None
    try:
        async with session.request(
            method,
            url,
            data=payload,
            headers={**headers, **_ALWAYS},
            allow_redirects=False,
            auto_decompress=False,  # what came packed unasked is not even begun to be unpacked
            timeout=_TIMEOUT,
        ) as reply:
            if reply.headers.get("Content-Encoding", "identity") != "identity":
                raise OutcomeUnknown(f"{whom} answered in an encoding that nobody asked for.")
            yield reply
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
        raise ToolFailed(
            f"{whom} cannot be reached ({type(exc).__name__}).",
            hint="Try again later; your operator can see whether it runs.",
        ) from exc
    except EgressRefused as exc:
        if payload is None or payload.begun:
            raise OutcomeUnknown(f"{whom} led elsewhere: {exc.message}", hint=exc.hint) from exc
        raise ToolFailed(f"{whom} may not be reached: {exc.message}", hint=exc.hint) from exc
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise OutcomeUnknown(
            f"{whom} broke off in the middle ({type(exc).__name__}).",
            hint="Look there whether it acted.",
        ) from exc


async def read(reply: aiohttp.ClientResponse, limit: int) -> Body:
    """The body of `reply`, no more than `limit` bytes of it."""
    blocks: list[bytes] = []
    size = 0
    while block := await reply.content.readany():
        blocks.append(block)
        size += len(block)
        if size > limit:
            reply.close()
            return Body(b"".join(blocks)[:limit], cut=True)
    return Body(b"".join(blocks), cut=False)


class _Watched(aiohttp.Payload):
    """Bytes that tell whether anyone began to send them."""

    _value: bytes

    def __init__(self, value: bytes) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)
        self.begun = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        self.begun = True
        await writer.write(self._value)
