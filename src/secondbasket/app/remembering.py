"""Memory over the parts of the stack: policy looks into it, the gateway makes its vectors."""

from collections.abc import Callable, Sequence

from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.memory.vectors import Embedder
from secondbasket.core.chat import EmbeddingRequest
from secondbasket.core.clock import now
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.key import Key
from secondbasket.maas.gateway import Gateway
from secondbasket.maas.guard import Guard
from secondbasket.policy.classification import Classification
from secondbasket.stores.database import Database


def open_memories(
    database: Database,
    gateway: Gateway,
    guard: Guard,
    *,
    model: str,
    currency: str,
    record: Callable[[Decision], None],
) -> Memories:
    """`model` is the public name of what makes vectors; `record` puts removals on record."""
    # It opens nothing: there is no secret to it, and no row among the keys.
    key = Key(
        id="key_memory",
        name="memory",
        role="user",
        budget=None,
        currency=currency,
        created_at=now(),
    )

    async def embed(texts: Sequence[str], data_class: DataClass) -> Sequence[Sequence[float]]:
        request = EmbeddingRequest(model=model, inputs=tuple(texts))
        answer, _ = await gateway.embed(key, request, floor=data_class)
        return answer.vectors

    async def classify(text: str, data_class: DataClass) -> Classification:
        return await guard.classify(None, EmbeddingRequest(model=model, inputs=(text,)), data_class)

    return Memories(
        database, classify=classify, record=record, embedder=Embedder(model=model, embed=embed)
    )
