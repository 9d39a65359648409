"""The chain: each decision in the database carries the hash of the one before it.

An entry's hash is SHA-256 over its canonical JSON object: the columns of its
row but the hash itself, all text but for `sequence`. The first entry begins
the ledger and names it; `chain_tail` holds where the last one stands, and is
what writers wait for each other at, so that there is one chain however many
nodes fold into it.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from secondbasket.core.clock import parse, timestamp
from secondbasket.core.decision import Decision
from secondbasket.core.ids import new_id
from secondbasket.stores.database import Database
from secondbasket.stores.schema import chain_tail, decisions

BEGUN = "ledger_begun"
NOTHING = "0" * 64  # what the first entry follows

_encode = msgspec.json.Encoder().encode


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What is hashed of an entry, in the canonical order. `detail` is the stored JSON text."""

    at: str
    detail: str
    id: str
    kind: str
    outcome: str
    previous: str
    sequence: int
    subject: str

    @property
    def canonical(self) -> bytes:
        return _encode(self)

    @property
    def hash(self) -> str:
        return sha256(self.canonical).hexdigest()


# In the order of the table's columns, whose last one is the hash.
_stored: Callable[[Content], tuple[Any, ...]] = attrgetter(
    *(column.name for column in decisions.c if column is not decisions.c.hash)
)


def content_of(decision: Decision, *, sequence: int, previous: str) -> Content:
    """The entry that `decision` becomes at its place in the chain."""
    return Content(
        at=timestamp(parse(decision.at)),
        detail=msgspec.json.encode(decision.detail).decode(),
        id=decision.id,
        kind=decision.kind,
        outcome=decision.outcome,
        previous=previous,
        sequence=sequence,
        subject=decision.subject,
    )


# Plain SQL, since this is part of every fold: SQLAlchemy's own way takes several times as long.
_SQLITE = (
    "SELECT sequence, hash FROM chain_tail",
    "UPDATE chain_tail SET sequence = ?, hash = ?",
)
_POSTGRESQL = (
    "SELECT sequence, hash FROM chain_tail FOR UPDATE",
    "UPDATE chain_tail SET sequence = %s, hash = %s",
)


class Chain:
    """Where the chain of one database is written on."""

    def __init__(self, database: Database) -> None:
        self.hold, self.move = _SQLITE if database.is_sqlite else _POSTGRESQL
        self.insert = database.insert_text(decisions)
        self._begin = database.insert(chain_tail).on_conflict_do_nothing()

    def tail(self, connection: Connection) -> "Tail":
        """The end of the chain, which stays ours until the transaction of `connection` ends."""
        row = connection.exec_driver_sql(self.hold).first()
        if row is None:
            connection.execute(self._begin, _last(connection))
            row = connection.exec_driver_sql(self.hold).one()
        tail = Tail(self, connection, *row)
        if tail.sequence == 0:
            tail.append([Decision(kind=BEGUN, subject=new_id("ledger"), outcome="done")])
        return tail


def _last(connection: Connection) -> dict[str, object]:
    """The tail as the entries have it: of none, for a database that is as good as new."""
    last = connection.execute(
        select(decisions.c.sequence, decisions.c.hash)
        .where(decisions.c.sequence == select(func.max(decisions.c.sequence)).scalar_subquery())
        .limit(1)
    ).first()
    sequence, hash_ = (0, NOTHING) if last is None else last
    return {"id": 1, "sequence": sequence, "hash": hash_}


class Tail:
    """The end of the chain in one transaction: how many entries there are, the last one's hash."""

    def __init__(self, chain: Chain, connection: Connection, sequence: int, hash_: str) -> None:
        self._chain = chain
        self._connection = connection
        self.sequence = sequence
        self.hash = hash_

    def append(self, new: Sequence[Decision]) -> None:
        """Write the entries that `new` become, in their order."""
        rows = []
        for decision in new:
            content = content_of(decision, sequence=self.sequence + 1, previous=self.hash)
            self.sequence, self.hash = content.sequence, content.hash
            rows.append((*_stored(content), self.hash))
        self._connection.exec_driver_sql(self._chain.insert, rows)
        self._connection.exec_driver_sql(self._chain.move, (self.sequence, self.hash))
