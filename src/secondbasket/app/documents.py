"""Documents as the settings have them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from secondbasket.apps.documents.desk import DocumentDesk
from secondbasket.apps.documents.embedding import GatewayEmbed
from secondbasket.apps.documents.records import DocumentRecords
from secondbasket.apps.memory.cascade import Removal
from secondbasket.apps.memory.memories import Memories
from secondbasket.core.clock import now
from secondbasket.core.decision import Decision
from secondbasket.core.key import Key
from secondbasket.errors import InvalidRequest
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.gateway import Gateway
from secondbasket.settings import Settings
from secondbasket.stores.database import Database

_DOCUMENT = "document:"


def open_documents(
    settings: Settings,
    database: Database,
    gateway: Gateway,
    *,
    baskets: Baskets,
    settled: Callable[[], Awaitable[None]],
    record: Callable[[Decision], None],
) -> DocumentDesk:
    """Their vectors are of models.default_embedding; what these cost is on a key of their own."""
    # It opens nothing: there is no secret to it, and no row among the keys.
    key = Key(
        id="key_documents",
        name="documents",
        role="user",
        budget=None,
        currency=settings.prices.currency,
        created_at=now(),
    )
    embed = GatewayEmbed(
        gateway,
        baskets=baskets,
        basket=settings.models.default_embedding,
        key=key,
        settled=settled,
    )
    return DocumentDesk(DocumentRecords(database), embed, record=record)


def bind(documents: DocumentDesk, memories: Memories) -> None:
    """Have what workers remember of a document go with it, and the document with what is erased as
    its memory: a source is erased everywhere, wherever it is said."""

    async def forget(_collection: str, sources: Sequence[str]) -> None:
        for source in sources:
            named = f"{_DOCUMENT}{source}"
            try:
                told = await memories.listing(source=named, history=True, limit=1)
            except InvalidRequest:
                continue  # too long a path for memory to name, so it names none
            if told:
                await memories.erase(named)

    async def erase(removal: Removal) -> Mapping[str, int]:
        if removal.reason != "erased" or not removal.target.startswith(_DOCUMENT):
            return {}
        return await documents.forget(removal.target.removeprefix(_DOCUMENT))

    documents.on_gone(forget)
    memories.on_removal("documents", erase)
