"""An upstream that is one of our own replicas: an engine's child process on loopback.

It always streams inside, so that a call that is left, however early, has been
counted to the token and is cancelled at once.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from typing import TypeVar

import msgspec

from secondbasket.cloud.replica import Replica
from secondbasket.core.chat import (
    ChatRequest,
    Chunk,
    CompletionRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
    Sampling,
)
from secondbasket.core.ports import UpstreamFacts, WireMeter
from secondbasket.egress import Session
from secondbasket.errors import (
    BasketError,
    EngineError,
    UnsupportedField,
    UpstreamBroken,
    UpstreamUnavailable,
)
from secondbasket.maas.upstreams.alternatives import merged
from secondbasket.maas.upstreams.engine_fields import known_only
from secondbasket.maas.upstreams.forced_tools import ForcedToolCall
from secondbasket.maas.upstreams.openai_http import OpenAIHttp
from secondbasket.maas.upstreams.schema_limits import require_bounded
from secondbasket.wires.openai.chat_answer import decode_chat_chunk
from secondbasket.wires.openai.chat_request import encode_chat_request
from secondbasket.wires.openai.completions import (
    decode_completion_chunk,
    encode_completion_request,
)
from secondbasket.wires.openai.embeddings import decode_embedding_answer, encode_embedding_request

# Asked of llama.cpp with every call: running token counts, and its prefix cache.
_COUNTED = {"timings_per_token": True, "cache_prompt": True}


class LocalUpstream:
    """`session` is the egress package's loopback session."""

    def __init__(self, facts: UpstreamFacts, session: Session, replica: Replica) -> None:
        self.facts = facts
        self._session = session
        self._replica = replica

    def ready(self) -> bool:
        return self._replica.endpoint is not None

    def unfit(
        self, request: ChatRequest | CompletionRequest | EmbeddingRequest
    ) -> BasketError | None:
        if isinstance(request, CompletionRequest):
            for field in ("echo", "suffix"):
                if getattr(request, field):
                    return UnsupportedField(
                        f"'{field}' is not served by '{request.model}'.",
                        hint="Leave it out.",
                        param=field,
                    )
        if isinstance(request, ChatRequest) and ForcedToolCall.wanted(request):
            request = ForcedToolCall(request).request
        return self._replica.spec.engine.unfit(request)

    @contextmanager
    def _connected(self) -> Iterator[OpenAIHttp]:
        """The replica as it runs now; a stop waits while this is held."""
        with ExitStack() as held:
            try:
                endpoint = held.enter_context(self._replica.lease())
            except EngineError as exc:
                raise UpstreamUnavailable(exc.message, hint=exc.hint) from exc
            yield OpenAIHttp(
                self._session,
                base_url=endpoint.base_url,
                api_key=endpoint.api_key,
                stale_attempts=4,
            )

    def chat(self, request: ChatRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        alternatives = _alternatives(request.sampling)
        calls = [
            self._chat(msgspec.structs.replace(request, sampling=sampling), meter)
            for sampling in alternatives
        ]
        return calls[0] if len(calls) == 1 else merged(calls, per_prompt=len(alternatives))

    async def _chat(self, request: ChatRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        request = known_only(request)
        require_bounded(request)
        forced = ForcedToolCall(request) if ForcedToolCall.wanted(request) else None
        sent = request if forced is None else forced.request
        body = encode_chat_request(sent, model=self.facts.model, stream=True) | _COUNTED
        with self._connected() as http:
            chunks = http.chunks("/v1/chat/completions", body, decode_chat_chunk, meter)
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk if forced is None else forced.unwrap(chunk)

    def complete(self, request: CompletionRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        alternatives = _alternatives(request.sampling)
        calls = [
            self._complete(
                msgspec.structs.replace(request, prompts=(prompt,), sampling=sampling), meter
            )
            for prompt in request.prompts
            for sampling in alternatives
        ]
        return calls[0] if len(calls) == 1 else merged(calls, per_prompt=len(alternatives))

    async def _complete(
        self, request: CompletionRequest, meter: WireMeter
    ) -> AsyncGenerator[Chunk, None]:
        request = known_only(request)
        body = encode_completion_request(request, model=self.facts.model, stream=True) | _COUNTED
        with self._connected() as http:
            chunks = http.chunks("/v1/completions", body, decode_completion_chunk, meter)
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

    async def embed(self, request: EmbeddingRequest, meter: WireMeter) -> EmbeddingAnswer:
        body = encode_embedding_request(request, model=self.facts.model)
        with self._connected() as http:
            answer = await http.plain("/v1/embeddings", body, meter)
        return decode_embedding_answer(answer, inputs=len(request.inputs))

    async def probe(self) -> None:
        """The supervisor watches its health; this only tells what it found."""
        if not self.ready():
            raise UpstreamUnavailable(f"The engine of '{self.facts.model}' is not ready.")

    async def count_input(self, request: ChatRequest | CompletionRequest) -> int | None:
        """Asks the engine to render and tokenize the prompt, as it would have read it."""
        unmetered = WireMeter()
        with self._connected() as http:
            if isinstance(request, CompletionRequest):
                prompts = request.prompts
            else:
                body = encode_chat_request(request, model=self.facts.model, stream=False)
                rendered = await http.plain("/apply-template", body, unmetered)
                prompts = (_decoded(rendered, _Rendered).prompt,)
            total = 0
            for prompt in prompts:
                if isinstance(prompt, str):
                    asked = {"content": prompt, "add_special": True, "parse_special": True}
                    counted = await http.plain("/tokenize", asked, unmetered)
                    total += len(_decoded(counted, _Tokenized).tokens)
                else:
                    total += len(prompt)
        return total


def _alternatives(sampling: Sampling) -> list[Sampling]:
    """One sampling for each choice; a seed is spread, or all choices would be the same."""
    return [
        msgspec.structs.replace(
            sampling, n=1, seed=None if sampling.seed is None else sampling.seed + position
        )
        for position in range(sampling.n)
    ]


_Counting = TypeVar("_Counting", bound=msgspec.Struct)


class _Rendered(msgspec.Struct):
    prompt: str


class _Tokenized(msgspec.Struct):
    tokens: list[int]


def _decoded(body: bytes, kind: type[_Counting]) -> _Counting:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as exc:
        raise UpstreamBroken(f"The engine's count is not of its wire: {exc}.") from exc
