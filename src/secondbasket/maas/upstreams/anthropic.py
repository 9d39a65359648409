"""An upstream that speaks Anthropic's Messages wire, reached through the egress door."""

import re
from collections.abc import AsyncGenerator

from secondbasket.core.chat import (
    ChatRequest,
    Chunk,
    CompletionRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
)
from secondbasket.core.ports import UpstreamFacts, WireMeter
from secondbasket.egress import Session
from secondbasket.errors import BasketError, UnsupportedField
from secondbasket.maas.upstreams.http_stream import HttpStream
from secondbasket.wires.anthropic.answer import MessagesAnswer
from secondbasket.wires.anthropic.errors import decode_error
from secondbasket.wires.anthropic.request import (
    encode_messages_request,
    require_expressible,
)

_VERSION = "2023-06-01"

# Where the caller sets no limit. Every model that is served today may write as much.
_MOST_TOKENS = 16_384

# Anthropic's own models from 4.7 on answer 400 to any temperature or top_p but their default.
_FIXED_SAMPLING = re.compile(
    r"claude-(?:(?:opus|sonnet|haiku)-(?:4-[789]|[5-9]|\d\d)(?!\d)|fable|mythos)"
)


class AnthropicUpstream:
    """Always asks for a stream, as every upstream outside does (see `OpenAIUpstream`).

    `base_url` may end with /v1 or, as Anthropic's own SDKs have it, before it.
    """

    def __init__(
        self,
        facts: UpstreamFacts,
        session: Session,
        *,
        base_url: str,
        api_key: str | None,
        connect_seconds: float,
    ) -> None:
        self.facts = facts
        self._takes_sampling = not _FIXED_SAMPLING.search(facts.model)
        context = facts.context_tokens
        self._most_tokens = min(_MOST_TOKENS, max(1, context // 2)) if context else _MOST_TOKENS
        self._http = HttpStream(
            session,
            base_url=f"{base_url.rstrip('/').removesuffix('/v1')}/v1",
            headers={"anthropic-version": _VERSION} | ({"x-api-key": api_key} if api_key else {}),
            secret=api_key,
            decode_error=decode_error,
            connect_seconds=connect_seconds,
        )

    def ready(self) -> bool:
        return True

    def unfit(
        self, request: ChatRequest | CompletionRequest | EmbeddingRequest
    ) -> BasketError | None:
        if not isinstance(request, ChatRequest):
            return _only_chat(request)
        try:
            require_expressible(request, prefill=self.facts.prefill)
        except UnsupportedField as error:
            return error
        return None

    def chat(self, request: ChatRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        body = encode_messages_request(
            request,
            model=self.facts.model,
            most_tokens=self._most_tokens,
            sampling=self._takes_sampling,
            prefill=self.facts.prefill,
        )
        return self._http.chunks(
            "/messages", body, MessagesAnswer(), meter, read_along=request.stream
        )

    def complete(
        self,
        request: CompletionRequest,
        meter: WireMeter,  # noqa: ARG002 - nothing is sent
    ) -> AsyncGenerator[Chunk, None]:
        raise _only_chat(request)

    async def embed(
        self,
        request: EmbeddingRequest,
        meter: WireMeter,  # noqa: ARG002 - nothing is sent
    ) -> EmbeddingAnswer:
        raise _only_chat(request)

    async def count_input(
        self,
        request: ChatRequest | CompletionRequest,  # noqa: ARG002 - see below
    ) -> int | None:
        """Unknown: a stream begins with it, and to ask apart would send everything out again."""
        return None

    async def probe(self) -> None:
        await self._http.reach("/models")


def _only_chat(request: CompletionRequest | EmbeddingRequest) -> UnsupportedField:
    return UnsupportedField(
        f"'{request.model}' answers chats only.",
        hint="Use /v1/chat/completions, or another model.",
        param="model",
    )
