"""The OpenAI wire over HTTP: one endpoint, asked with a bearer key."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from secondbasket.core.chat import Chunk
from secondbasket.core.ports import WireMeter
from secondbasket.egress import Session
from secondbasket.maas.upstreams.http_stream import HttpStream
from secondbasket.wires.openai.answer_stream import OpenAIAnswer
from secondbasket.wires.openai.errors import decode_error


class OpenAIHttp:
    """`base_url` is what stands before ``/chat/completions``; the rest is `HttpStream`'s."""

    def __init__(
        self,
        session: Session,
        *,
        base_url: str,
        api_key: str | None,
        connect_seconds: float | None = None,
        stale_attempts: int = 1,
    ) -> None:
        self._http = HttpStream(
            session,
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            secret=api_key,
            decode_error=decode_error,
            connect_seconds=connect_seconds,
            stale_attempts=stale_attempts,
        )

    async def plain(self, path: str, body: Mapping[str, Any], meter: WireMeter) -> bytes:
        """The body of a 200 answer. Raises what `decode_error` makes of any other."""
        return await self._http.plain(path, body, meter)

    def chunks(
        self,
        path: str,
        body: Mapping[str, Any],
        decode: Callable[[bytes], Chunk],
        meter: WireMeter,
        *,
        choices: int = 1,
        read_along: bool = True,
    ) -> AsyncGenerator[Chunk, None]:
        """The answer of `choices` alternatives, each event read by `decode`."""
        answer = OpenAIAnswer(decode, choices=choices)
        return self._http.chunks(path, body, answer, meter, read_along=read_along)

    async def reach(self, path: str) -> None:
        """See that `path` is answered at all. Raises UpstreamError for silence and 5xx."""
        await self._http.reach(path)
