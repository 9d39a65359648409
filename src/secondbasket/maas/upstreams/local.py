"""An upstream that is one of our own replicas: an engine's child process on loopback.

It always streams inside, so that a call that is left, however early, has been
counted to the token and is cancelled at once.
"""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from secondbasket.cloud.replica import Endpoint, Replica
from secondbasket.core.chat import (
    ChatRequest,
    Chunk,
    CompletionRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
)
from secondbasket.core.ports import UpstreamFacts, WireMeter
from secondbasket.egress import Session
from secondbasket.errors import EngineError, UpstreamUnavailable
from secondbasket.maas.upstreams.forced_tools import ForcedToolCall
from secondbasket.maas.upstreams.openai_http import OpenAIHttp
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

    def _http(self, endpoint: Endpoint) -> OpenAIHttp:
        return OpenAIHttp(
            self._session, base_url=f"{endpoint.base_url}/v1", api_key=endpoint.api_key
        )

    def _leased(self) -> Any:
        try:
            return self._replica.lease()
        except EngineError as exc:
            raise UpstreamUnavailable(exc.message, hint=exc.hint) from exc

    async def chat(self, request: ChatRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        forced = ForcedToolCall(request) if ForcedToolCall.wanted(request) else None
        sent = request if forced is None else forced.request
        body = encode_chat_request(sent, model=self.facts.model, stream=True) | _COUNTED
        with self._leased() as endpoint:
            chunks = self._http(endpoint).chunks(
                "/chat/completions", body, decode_chat_chunk, meter
            )
            async for chunk in _closing(chunks):
                yield chunk if forced is None else forced.unwrap(chunk)
