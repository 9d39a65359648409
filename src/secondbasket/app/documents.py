"""Documents as the settings have them."""

from collections.abc import Awaitable, Callable

from secondbasket.apps.documents.desk import DocumentDesk
from secondbasket.apps.documents.embedding import GatewayEmbed
from secondbasket.apps.documents.records import DocumentRecords
from secondbasket.core.clock import now
from secondbasket.core.decision import Decision
from secondbasket.core.key import Key
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.gateway import Gateway
from secondbasket.settings import Settings
from secondbasket.stores.database import Database


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
