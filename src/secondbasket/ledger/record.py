"""What an audit reads: entries and receipts as they are found, right or wrong.

One form for the database itself and for an exported file (`ledger.export`).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, select

from secondbasket.ledger.chain import Content
from secondbasket.ledger.seals import FORM, FORMS, SEALED
from secondbasket.stores.schema import chain_tail, decisions, receipts, tree_heads

_AT_A_TIME = 1000
_REQUEST_ID, _SEAL = map(receipts.c.keys().index, ("request_id", "seal"))
_CONTENT = [decisions.c[name] for name in Content.__struct_fields__]


class Entry(msgspec.Struct, frozen=True):
    """An entry of the chain. `hash` is the stored one; None of its fields is trusted."""

    content: Content
    hash: str | None

    @property
    def place(self) -> int | None:
        """Its place in the chain; None where that column holds no such number."""
        found: object = self.content.sequence
        return found if isinstance(found, int) and found > 0 else None

    @property
    def detail(self) -> dict[str, str]:
        """What its detail says; nothing, where that is not what we write."""
        try:
            return msgspec.json.decode(self.content.detail, type=dict[str, str])
        except (msgspec.MsgspecError, TypeError):
            return {}


class Sealed(msgspec.Struct, frozen=True):
    """A receipt: its id, the entry that it says seals it, and what is hashed of it."""

    request_id: str
    seal: int | None
    leaf: bytes


class Tail(msgspec.Struct, frozen=True):
    """Where the chain ends, as it was noted beside the chain."""

    sequence: int
    hash: str


class Record(Protocol):
    """A ledger to be audited. Whatever cannot be read raises StoreError."""

    name: str

    def tail(self) -> Tail | None:
        """None where none was noted that could be read."""
        ...

    def items(self) -> Iterator[Entry | Sealed]:
        """Everything once: what has no place in the chain first, then each entry in the order of
        the sequences, and after each the receipts that it seals."""
        ...

    def heads(self) -> Iterator[bytes]:
        """The signed heads that are kept with it, as JSON."""
        ...


class DatabaseRecord:
    """The ledger in a database, within one transaction that sees one moment."""

    name = "the database"

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._connection = connection.execution_options(yield_per=_AT_A_TIME)

    def tail(self) -> Tail | None:
        row = self._connection.execute(select(chain_tail.c.sequence, chain_tail.c.hash)).first()
        return Tail(*row) if row is not None and isinstance(row.sequence, int) else None

    def items(self) -> Iterator[Entry | Sealed]:
        place, seal = decisions.c.sequence, receipts.c.seal
        chain = select(*_CONTENT, decisions.c.hash)
        for row in self._connection.execute(chain.where(place.is_(None))):
            yield _entry(row)
        for row in self._connection.execute(select(receipts).where(seal.is_(None))):
            yield _sealed(row, FORM.name)
        found = self._connection.execute(select(receipts).where(seal.is_not(None)).order_by(seal))
        waiting = found.fetchone()
        form = FORM.name
        for row in self._connection.execute(chain.where(place.is_not(None)).order_by(place)):
            while waiting is not None and _before(waiting.seal, row.sequence):
                yield _sealed(waiting, form)
                waiting = found.fetchone()
            entry = _entry(row)
            yield entry
            if entry.content.kind == SEALED:
                form = entry.detail.get("form", FORM.name)
        while waiting is not None:
            yield _sealed(waiting, form)
            waiting = found.fetchone()

    def heads(self) -> Iterator[bytes]:
        query = select(tree_heads.c.document).order_by(tree_heads.c.size)
        for document in self._connection.scalars(query):
            yield str(document).encode()


def _before(seal: object, sequence: object) -> bool:
    """Whether a receipt comes before an entry. Who edits SQLite can make a text of a number."""
    return not isinstance(seal, int) or (isinstance(sequence, int) and seal < sequence)


def _entry(row: Sequence[Any]) -> Entry:
    *content, hash_ = row
    return Entry(Content(**dict(zip(Content.__struct_fields__, content, strict=True))), hash_)


def _sealed(row: Sequence[Any], form: str) -> Sealed:
    leaf = FORMS.get(form, FORM).content(row)
    return Sealed(str(row[_REQUEST_ID]), row[_SEAL], leaf)
