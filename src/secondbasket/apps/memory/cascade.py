"""What a removal sets off elsewhere: documents, checkpoints, summaries that others keep.

The order is written down in the transaction that removes our own rows, and
struck out when everybody who listens has done their part. A process that dies
between the two finishes at its next start; who failed is asked again then.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, insert, select, update

from secondbasket.apps.memory.memory import Reason, Receipt
from secondbasket.apps.memory.removal import Removed, ids_sha256
from secondbasket.core.clock import now
from secondbasket.core.decision import Decision
from secondbasket.core.ids import new_id
from secondbasket.errors import BasketError
from secondbasket.stores.database import Database
from secondbasket.stores.schema import memory_erasures as table

_log = logging.getLogger(__name__)


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """What goes. `target` is the source as KIND:ID, or the memory that the order named; `memories`
    are the ids of all that went with it, or in a correction of what is now known to be wrong."""

    reason: Reason
    target: str
    at: str
    memories: Sequence[str]


Cascade = Callable[[Removal], Awaitable[Mapping[str, int]]]
"""Removes what rests on that elsewhere, and counts what went by place ('document chunks': 12).

It may be told of one removal more than once. Raises BasketError where it could not.
"""


class Cascades:
    """`record` puts every removal into the ledger, without a word of what went."""

    def __init__(self, database: Database, *, record: Callable[[Decision], None]) -> None:
        self._database = database
        self._record = record
        self._listeners: dict[str, Cascade] = {}

    def add(self, name: str, cascade: Cascade) -> None:
        """Have `cascade` hear of every removal from now on; `name` is for receipts."""
        self._listeners[name] = cascade

    def begin(self, connection: Connection, removal: Removal, removed: Removed) -> Receipt:
        """Write the order down, in the transaction of the removal itself."""
        receipt = Receipt(
            id=new_id("erasure"),
            at=removal.at,
            reason=removal.reason,
            target=removal.target,
            memories=len(removed.direct),
            derived=len(removed.derived),
            kept=len(removed.kept),
            places=removed.places,
            ids_sha256=ids_sha256(removed.ids),
        )
        row = {
            "id": receipt.id,
            "at": receipt.at,
            "removal": msgspec.json.encode(removal).decode(),
            "receipt": _written(receipt),
        }
        connection.execute(insert(table), row)
        return receipt

    async def finish(self, removal: Removal, receipt: Receipt) -> Receipt:
        """Have everybody remove their part, and record what came of it."""
        places, failed = dict(receipt.places), dict[str, str]()
        for name, cascade in self._listeners.items():
            try:
                counts = await cascade(removal)
            except BasketError as exc:
                _log.error("%s did not remove its part of %s: %s", name, receipt.id, exc)
                failed[name] = exc.message
            else:
                for place, count in counts.items():
                    places[place] = places.get(place, 0) + count
        receipt = msgspec.structs.replace(receipt, places=places, failed=failed)
        self._record(_decision(receipt))
        values: dict[str, object] = {"receipt": _written(receipt)}
        if receipt.complete:
            # What it was about is not kept either: a source can be somebody's name.
            values |= {"removal": None, "finished_at": now()}
        await self._database.write(
            lambda c: c.execute(update(table).where(table.c.id == receipt.id).values(**values))
        )
        return receipt

    async def resume(self) -> list[Receipt]:
        """Finish the removals that a dead process, or a listener that failed, left open."""
        query = select(table).where(table.c.finished_at.is_(None)).order_by(table.c.id)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [
            await self.finish(
                removal := msgspec.json.decode(row["removal"], type=Removal),
                msgspec.structs.replace(
                    msgspec.json.decode(row["receipt"], type=Receipt),
                    target=removal.target,
                    failed={},
                ),
            )
            for row in rows
        ]

    async def receipts(self, *, limit: int = 100) -> list[Receipt]:
        """The latest, newest first; the target of one that is finished is not known any more."""
        query = select(table.c.receipt).order_by(table.c.id.desc()).limit(limit)
        rows = await self._database.read(lambda c: c.scalars(query).all())
        return [msgspec.json.decode(row, type=Receipt) for row in rows]


def _written(receipt: Receipt) -> str:
    kind = receipt.target.partition(":")[0]
    return msgspec.json.encode(msgspec.structs.replace(receipt, target=f"{kind}:")).decode()


def _decision(receipt: Receipt) -> Decision:
    detail = {
        "of": receipt.target.partition(":")[0],
        "memories": str(receipt.memories),
        "derived": str(receipt.derived),
        "kept": str(receipt.kept),
        "places": ", ".join(f"{name} {count}" for name, count in sorted(receipt.places.items())),
        "ids_sha256": receipt.ids_sha256,
    }
    if receipt.failed:
        detail["failed"] = ", ".join(sorted(receipt.failed))
    return Decision(
        kind=f"memory_{receipt.reason}",
        subject=receipt.id,
        outcome="done" if receipt.complete else "failed",
        detail=detail,
    )
