"""Asking a model API over HTTP, whatever its wire: bytes out, chunks in.

Foreign errors end here: whatever aiohttp or the other end does becomes one of
our UpstreamErrors, so that nothing above needs to know which library dialled.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Protocol

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter

from secondbasket.core.chat import Chunk
from secondbasket.core.ports import WireMeter
from secondbasket.egress import Session
from secondbasket.errors import (
    BasketError,
    EgressRefused,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from secondbasket.wires.sse import EventDecoder
from secondbasket.wires.status import seconds_until

_MAX_ERROR_BYTES = 64 * 1024
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
# The status of an error says most of it: its body is not waited for much longer.
_ERROR_BODY_SECONDS = 1.0
# aiohttp writes small bytes with the head in one go, and warns of larger ones.
_LARGEST_PLAIN_BODY = 512 * 1024
_SHORTEST_SECRET = 8
_REACH_TIMEOUT = aiohttp.ClientTimeout(total=10)


class AnswerDecoder(Protocol):
    """One call's answer as its wire spells it. `ended`: the wire's own end mark was read."""

    ended: bool

    @property
    def finished(self) -> bool:
        """Whether the answer is all there: every alternative told why it ended."""
        ...

    def event(self, data: bytes) -> Chunk | None: ...

    def whole(self, body: bytes) -> Chunk: ...


class DecodeError(Protocol):
    """What an error answer means to us."""

    def __call__(
        self, status: int, body: bytes, *, retry_after: float | None = None
    ) -> BasketError: ...


class HttpStream:
    """One endpoint. `base_url` is what stands before the paths, `secret` what no error may hold.

    The session is the egress door's (or, for our own engines, its loopback
    session) and is not closed here. `connect_seconds` is for the name, the
    connection and TLS together; how long an answer may take is the asker's to
    say, who may leave at any time. A call is sent up to `stale_attempts` times
    while the kept-alive connections it meets turn out to be closed: for our own
    engines, where asking twice costs nobody anything.
    """

    def __init__(
        self,
        session: Session,
        *,
        base_url: str,
        headers: Mapping[str, str],
        secret: str | None,
        decode_error: DecodeError,
        connect_seconds: float | None,
        stale_attempts: int = 1,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._headers = {"Content-Type": "application/json", **headers}
        # As it is, and as JSON may spell it. What is shorter is no key, and a word of any answer.
        self._secrets = (
            {each.encode() for each in (secret, secret.replace("/", "\\/"))}
            if secret and len(secret) >= _SHORTEST_SECRET
            else ()
        )
        self._decode_error = decode_error
        self._attempts = stale_attempts
        self._options: dict[str, Any] = {}
        if connect_seconds is not None:
            self._options["timeout"] = aiohttp.ClientTimeout(total=None, connect=connect_seconds)

    async def plain(self, path: str, body: Mapping[str, Any], meter: WireMeter) -> bytes:
        """The body of a 200 answer. Raises what the wire makes of any other."""
        with _translated():
            async with self._post(path, body, meter) as reply:
                return await self._whole(reply, meter)

    async def chunks(
        self,
        path: str,
        body: Mapping[str, Any],
        answer: AnswerDecoder,
        meter: WireMeter,
        *,
        read_along: bool,
    ) -> AsyncGenerator[Chunk, None]:
        """The answer as chunks: many where a stream comes, otherwise one.

        Where nobody is to `read_along`, what arrives together comes as one chunk.
        Raises UpstreamBroken where it ends before it is finished.
        """
        with _translated():
            async with self._post(path, body, meter) as reply:
                if reply.status != 200 or reply.content_type != "text/event-stream":
                    chunk = answer.whole(self._keyless(await self._whole(reply, meter)))
                    if not answer.finished:
                        raise UpstreamBroken("The upstream's answer is not finished.")
                    yield chunk
                    return
                events = EventDecoder()
                size = 0
                while block := await reply.content.readany():
                    meter.received += len(block)
                    size = _within_limit(size + len(block))
                    together: list[Chunk] = []
                    broken: BasketError | None = None
                    try:
                        for data in events.feed(block):
                            if step := answer.event(self._keyless(data)):
                                if read_along:
                                    yield step
                                else:
                                    together.append(step)
                            if answer.ended:
                                break
                    except BasketError as error:
                        broken = error
                    if together:
                        yield _one(together)
                    if broken:  # now that everything before it is handed on
                        raise broken
                    if answer.ended:
                        if not answer.finished:
                            raise UpstreamBroken("The stream ended, its answer unfinished.")
                        return
                if events.pending or not answer.finished:
                    raise UpstreamBroken("The upstream's stream ended in the middle.")

    async def reach(self, path: str) -> None:
        """See that `path` is answered at all. Raises UpstreamError for silence and 5xx."""
        with _translated():
            async with self._session.get(
                self._base_url + path,
                headers=self._headers,
                allow_redirects=False,
                timeout=_REACH_TIMEOUT,
            ) as reply:
                if reply.status >= 500:
                    raise UpstreamUnavailable(f"The upstream answers {reply.status}.")

    @asynccontextmanager
    async def _post(
        self, path: str, body: Mapping[str, Any], meter: WireMeter
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        payload = msgspec.json.encode(body)
        meter.sent += len(payload)
        async with await self._send(path, payload, self._attempts) as reply:
            yield reply

    async def _send(self, path: str, payload: bytes, attempts: int) -> aiohttp.ClientResponse:
        try:
            return await self._session.post(
                self._base_url + path,
                data=payload if len(payload) <= _LARGEST_PLAIN_BODY else _Payload(payload),
                headers=self._headers,
                allow_redirects=False,
                **self._options,
            )
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
            # A kept-alive connection that the other end was just closing: nothing was read.
            if attempts == 1 or isinstance(exc, aiohttp.ClientConnectorError):
                raise
            return await self._send(path, payload, attempts - 1)

    async def _whole(self, reply: aiohttp.ClientResponse, meter: WireMeter) -> bytes:
        if reply.status != 200:
            raise await self._failure(reply, meter)
        if not reply.content_type.endswith("json"):
            raise UpstreamBroken(f"The upstream answered in {reply.content_type[:60]}.")
        blocks: list[bytes] = []
        size = 0
        while block := await reply.content.readany():
            meter.received += len(block)
            size = _within_limit(size + len(block))
            blocks.append(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    async def _failure(self, reply: aiohttp.ClientResponse, meter: WireMeter) -> BasketError:
        body = b""
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(_ERROR_BODY_SECONDS):
                while len(body) < _MAX_ERROR_BYTES and (block := await reply.content.readany()):
                    meter.received += len(block)
                    body += block
        return self._decode_error(
            reply.status,
            self._keyless(body),
            retry_after=seconds_until(reply.headers.get("Retry-After")),
        )

    def _keyless(self, told: bytes) -> bytes:
        """What it answers without the key that it was asked with. Some put it into their errors,
        which come with any status."""
        for secret in self._secrets:
            told = told.replace(secret, b"[key]")
        return told


class _Payload(aiohttp.Payload):
    """A body of any size, written at once: aiohttp warns of large ones, but this is in memory."""

    _value: bytes

    def __init__(self, value: bytes) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await writer.write(self._value)


def _one(chunks: list[Chunk]) -> Chunk:
    """Chunks that follow each other as one, which says the same."""
    usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
    return Chunk(
        tuple(choice for chunk in chunks for choice in chunk.choices),
        usages[-1] if usages else None,
    )


def _within_limit(size: int) -> int:
    if size > _MAX_ANSWER_BYTES:
        raise UpstreamBroken("The upstream's answer is larger than 64 MiB.")
    return size


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aiohttp.ConnectionTimeoutError as exc:
        raise UpstreamTimeout("The upstream took no connection in time.") from exc
    except TimeoutError as exc:
        raise UpstreamTimeout("The upstream did not answer in time.") from exc
    except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as exc:
        raise UpstreamBroken(f"The upstream's answer broke off ({type(exc).__name__}).") from exc
    except EgressRefused as exc:
        # The operator's configuration led there, not the caller: somebody else may answer. Where
        # it led is no business of the caller's.
        raise UpstreamUnavailable(
            "The way to the upstream is not open.",
            hint="Your operator finds the reason among the ledger's decisions.",
        ) from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise UpstreamUnavailable(
            f"The upstream could not be reached ({type(exc).__name__})."
        ) from exc
