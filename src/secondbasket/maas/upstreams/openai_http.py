"""Talking to anything that speaks the OpenAI wire over HTTP: bytes out, chunks in.

Foreign errors end here: whatever aiohttp or the other end does becomes one of
our UpstreamErrors, so that nothing above needs to know which library dialled.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import msgspec

from secondbasket.core.chat import Chunk
from secondbasket.core.ports import WireMeter
from secondbasket.egress import Session
from secondbasket.errors import EgressRefused, UpstreamBroken, UpstreamTimeout, UpstreamUnavailable
from secondbasket.wires.openai.errors import decode_error
from secondbasket.wires.sse import EventDecoder

_MAX_ERROR_BYTES = 64 * 1024
_REACH_TIMEOUT = aiohttp.ClientTimeout(total=10)
_MAX_ANSWER_BYTES = 64 * 1024 * 1024


class OpenAIHttp:
    """One endpoint of the OpenAI wire.

    `base_url` is what stands before ``/chat/completions``. The session is the
    egress door's (or, for our own engines, its loopback session) and is not
    closed here. A call is sent up to `stale_attempts` times while the kept-alive
    connections it meets turn out to be closed: for our own engines, where
    asking twice costs nobody anything.
    """

    def __init__(
        self,
        session: Session,
        *,
        base_url: str,
        api_key: str | None,
        timeout: aiohttp.ClientTimeout | None = None,
        stale_attempts: int = 1,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._attempts = stale_attempts
        self._options: dict[str, Any] = {} if timeout is None else {"timeout": timeout}

    async def plain(self, path: str, body: Mapping[str, Any], meter: WireMeter) -> bytes:
        """The body of a 200 answer. Raises what `decode_error` makes of any other."""
        with _translated():
            async with self._post(path, body, meter) as reply:
                return await self._read(reply, meter)

    async def chunks(
        self,
        path: str,
        body: Mapping[str, Any],
        decode: Callable[[bytes], Chunk],
        meter: WireMeter,
    ) -> AsyncGenerator[Chunk, None]:
        """The answer as chunks: many where `body` asks for a stream, otherwise one.

        Raises UpstreamBroken where a stream ends before any choice finished.
        """
        with _translated():
            async with self._post(path, body, meter) as reply:
                if reply.content_type != "text/event-stream":
                    chunk = decode(await self._read(reply, meter))
                    if not _finishes(chunk):
                        raise UpstreamBroken("The upstream's answer has no finished choice.")
                    yield chunk
                    return
                if reply.status != 200:
                    raise decode_error(reply.status, await reply.content.read(_MAX_ERROR_BYTES))
                events = EventDecoder()
                finished = False
                async for block in reply.content.iter_any():
                    meter.received += len(block)
                    for data in events.feed(block):
                        if data == b"[DONE]":
                            if not finished:
                                raise UpstreamBroken("The stream ended with no finished choice.")
                            return
                        chunk = decode(data)
                        finished = finished or _finishes(chunk)
                        yield chunk
                if events.pending or not finished:
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
                data=payload,
                headers=self._headers,
                allow_redirects=False,
                **self._options,
            )
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
            # A kept-alive connection that the other end was just closing: nothing was read.
            if attempts == 1 or isinstance(exc, aiohttp.ClientConnectorError):
                raise
            return await self._send(path, payload, attempts - 1)

    async def _read(self, reply: aiohttp.ClientResponse, meter: WireMeter) -> bytes:
        if reply.status != 200:
            raise decode_error(reply.status, await reply.content.read(_MAX_ERROR_BYTES))
        blocks: list[bytes] = []
        size = 0
        async for block in reply.content.iter_any():
            size += len(block)
            if size > _MAX_ANSWER_BYTES:
                raise UpstreamBroken("The upstream's answer is larger than 64 MiB.")
            blocks.append(block)
        meter.received += size
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _finishes(chunk: Chunk) -> bool:
    return any(choice.finish_reason for choice in chunk.choices)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (TimeoutError, aiohttp.ServerTimeoutError) as exc:
        raise UpstreamTimeout("The upstream did not answer in time.") from exc
    except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as exc:
        raise UpstreamBroken(f"The upstream's answer broke off ({type(exc).__name__}).") from exc
    except EgressRefused as exc:
        # The operator's configuration led there, not the caller: somebody else may answer.
        raise UpstreamUnavailable("The way to the upstream is not open.", hint=exc.message) from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise UpstreamUnavailable(
            f"The upstream could not be reached ({type(exc).__name__})."
        ) from exc
