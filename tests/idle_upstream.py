"""An upstream that nobody asks: for tests of what is known without asking."""

from collections.abc import AsyncGenerator

from secondbasket.core.chat import (
    ChatRequest,
    Chunk,
    CompletionRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
)
from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts, WireMeter


def facts(name: str, *, law: str = "US", vendor: str = "") -> UpstreamFacts:
    return UpstreamFacts(
        name=name,
        provider=name,
        law=law,
        vendor=vendor or name,
        model="inner",
        task="chat",
        price=Price(10**6, 10**6),
    )


class IdleUpstream:
    """`up` is what `ready` says."""

    def __init__(self, facts: UpstreamFacts) -> None:
        self.facts = facts
        self.up = True

    def ready(self) -> bool:
        return self.up

    def unfit(self, request: ChatRequest | CompletionRequest | EmbeddingRequest) -> None:
        return None

    def chat(self, request: ChatRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        raise AssertionError

    def complete(self, request: CompletionRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        raise AssertionError

    async def embed(self, request: EmbeddingRequest, meter: WireMeter) -> EmbeddingAnswer:
        raise AssertionError

    async def count_input(self, request: ChatRequest | CompletionRequest) -> int | None:
        raise AssertionError

    async def probe(self) -> None:
        raise AssertionError
