"""Who told a memory: each telling with what it rests on, and what they make of it together.

A telling rests on sources and, where it was derived, on memories; both are its
bases. A memory lives as long as one telling is left, and is as sure as its
tellings are together.
"""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, insert, select, update

from secondbasket.apps.memory.statement import Statement
from secondbasket.core.data_class import DataClass
from secondbasket.core.ids import new_id
from secondbasket.stores.schema import memories, memory_bases, memory_tellings

MEMORY = "memory:"
"""What the basis of a derived telling begins with; the memory's id follows."""

_SUREST = 0.99
AT_A_TIME = 1_000


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """The words that a telling used; another's may be of other case or order."""

    text: str
    subject: str
    predicate: str
    object: str


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    memory_id: str
    at: str
    confidence: float
    data_class: str
    wording: Wording
    bases: frozenset[str]


def wording_of(told: Statement) -> Wording:
    return Wording(
        text=told.sentence,
        subject=told.subject,
        predicate=told.predicate,
        object=told.object,
    )


def add_telling(connection: Connection, memory_id: str, told: Statement, at: str) -> None:
    """Add to a memory what tells it. The same bases telling it again are no second telling."""
    bases = bases_of(told)
    for telling in tellings_of(connection, [memory_id]):
        if telling.bases == bases:
            same = memory_tellings.c.id == telling.id
            connection.execute(update(memory_tellings).where(same).values(at=at))
            return
    telling_id = new_id("told")
    row = {
        "id": telling_id,
        "memory_id": memory_id,
        "at": at,
        "confidence": told.confidence,
        "data_class": told.data_class,
        "wording": msgspec.json.encode(wording_of(told)).decode(),
    }
    connection.execute(insert(memory_tellings), row)
    rows = [{"telling_id": telling_id, "basis": basis} for basis in sorted(bases)]
    connection.execute(insert(memory_bases), rows)
    weigh(connection, memory_id)


def bases_of(told: Statement) -> frozenset[str]:
    return frozenset((*told.sources, *(MEMORY + each for each in told.derived_from)))


def weigh(connection: Connection, memory_id: str) -> None:
    """Give a memory the confidence and the class that its tellings have together."""
    tellings = tellings_of(connection, [memory_id])
    doubt = 1.0
    for telling in tellings:
        doubt *= 1 - telling.confidence
    sure = max(min(1 - doubt, _SUREST), *(each.confidence for each in tellings))
    highest = max(DataClass.parse(each.data_class) for each in tellings)
    connection.execute(
        update(memories)
        .where(memories.c.id == memory_id)
        .values(confidence=round(sure, 4), data_class=highest.label)
    )


def tellings_of(connection: Connection, memory_ids: Sequence[str]) -> list[Telling]:
    """Those of the memories, the earliest first."""
    found: list[Telling] = []
    for some in parts(memory_ids):
        rows = connection.execute(
            select(memory_tellings, memory_bases.c.basis)
            .join(memory_bases, memory_bases.c.telling_id == memory_tellings.c.id)
            .where(memory_tellings.c.memory_id.in_(some))
            .order_by(memory_tellings.c.id)
        ).mappings()
        bases: dict[str, set[str]] = {}
        tellings = {}
        for row in rows:
            tellings[row["id"]] = row
            bases.setdefault(row["id"], set()).add(row["basis"])
        found += [
            Telling(
                id=row["id"],
                memory_id=row["memory_id"],
                at=row["at"],
                confidence=row["confidence"],
                data_class=row["data_class"],
                wording=msgspec.json.decode(row["wording"], type=Wording),
                bases=frozenset(bases[row["id"]]),
            )
            for row in tellings.values()
        ]
    return found


def parts(many: Iterable[str]) -> Iterable[Sequence[str]]:
    """`many` in parts that fit into one statement."""
    listed = list(many)
    for start in range(0, len(listed), AT_A_TIME):
        yield listed[start : start + AT_A_TIME]
