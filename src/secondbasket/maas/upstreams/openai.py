"""An upstream that is any OpenAI-compatible HTTP API, reached through the egress door."""

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
from secondbasket.errors import BasketError
from secondbasket.maas.upstreams.openai_http import OpenAIHttp
from secondbasket.wires.openai.chat_answer import decode_chat_chunk
from secondbasket.wires.openai.chat_request import encode_chat_request
from secondbasket.wires.openai.completions import (
    decode_completion_chunk,
    encode_completion_request,
)
from secondbasket.wires.openai.embeddings import decode_embedding_answer, encode_embedding_request


class OpenAIUpstream:
    """Always asks for a stream, also where its caller waits for the whole answer: only a stream
    shows in time that its upstream has died, and what it had written by then.
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
        self._http = OpenAIHttp(
            session,
            base_url=base_url,
            api_key=api_key,
            connect_seconds=connect_seconds,
        )

    def ready(self) -> bool:
        return True

    def chat(self, request: ChatRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        body = encode_chat_request(request, model=self.facts.model, stream=True)
        return self._http.chunks(
            "/chat/completions",
            body,
            decode_chat_chunk,
            meter,
            choices=request.sampling.n,
            read_along=request.stream,
        )

    def complete(self, request: CompletionRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        body = encode_completion_request(request, model=self.facts.model, stream=True)
        return self._http.chunks(
            "/completions",
            body,
            decode_completion_chunk,
            meter,
            choices=request.sampling.n * len(request.prompts),
            read_along=request.stream,
        )

    async def embed(self, request: EmbeddingRequest, meter: WireMeter) -> EmbeddingAnswer:
        body = encode_embedding_request(request, model=self.facts.model)
        answer = await self._http.plain("/embeddings", body, meter)
        return decode_embedding_answer(answer, inputs=len(request.inputs))

    async def count_input(
        self,
        request: ChatRequest | CompletionRequest,  # noqa: ARG002 - the wire has no call to ask by
    ) -> int | None:
        return None

    def unfit(
        self,
        request: ChatRequest | CompletionRequest | EmbeddingRequest,  # noqa: ARG002 - whatever it is
    ) -> BasketError | None:
        """Nothing: our own vocabulary is this wire's."""
        return None

    async def probe(self) -> None:
        await self._http.reach("/models")
