"""Where a statement goes: beside what is known, into it, or in its place."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, insert, or_, select

from secondbasket.apps.memory import keywords, vectors
from secondbasket.apps.memory.likeness import NAMED_ALIKE, say_the_same
from secondbasket.apps.memory.memory import Remembered
from secondbasket.apps.memory.statement import Statement, is_person
from secondbasket.apps.memory.tellings import add_telling, tellings_of
from secondbasket.apps.memory.timeline import digest_of, line_of, rows_of, settle
from secondbasket.apps.memory.words import normal
from secondbasket.core.ids import new_id
from secondbasket.stores.schema import memories, memory_vectors

_MOST_LOOKED_AT = 20


class Meaning(msgspec.Struct, frozen=True):
    """A statement's vector, packed, and the model that made it."""

    model: str
    vector: bytes


def place(connection: Connection, told: Statement, meaning: Meaning | None, at: str) -> Remembered:
    """Keep a statement that was found worth it, at the moment `at`."""
    begins = told.valid_from or at
    alone = told.several or not told.structured
    rows = [] if alone else rows_of(connection, told.worker, line_of(told))
    settled = _among(connection, told, rows, begins, at)
    if settled is not None:
        return settled
    # What contradicts its own line is new there, whatever it is like elsewhere.
    known = None if rows else _known(connection, told, meaning, begins)
    if known is not None:
        add_telling(connection, known, told, at)
        return Remembered(outcome="merged", id=known)
    memory_id = put(connection, told, meaning, begins=begins, at=at)
    if alone:
        return Remembered(outcome="kept", id=memory_id)
    ended = settle(connection, told.worker, line_of(told))
    superseded = tuple(each for each in ended if each != memory_id)
    if any(row["valid_from"] > begins for row in rows):
        return Remembered(outcome="history", id=memory_id, superseded=superseded)
    return Remembered(
        outcome="superseded" if superseded else "kept", id=memory_id, superseded=superseded
    )


def put(
    connection: Connection, told: Statement, meaning: Meaning | None, *, begins: str, at: str
) -> str:
    """Write a memory of its own, with its telling, its words and its vector. Its id."""
    memory_id = new_id("mem")
    row = {
        "id": memory_id,
        "kind": told.kind,
        "text": told.sentence,
        "subject": told.subject,
        "predicate": told.predicate,
        "object": told.object,
        "several": told.several,
        "line": line_of(told),
        "digest": digest_of(told),
        "length": keywords.length(indexed(told)),
        "worker": told.worker,
        "data_class": told.data_class,
        "valid_from": begins,
        "told_until": told.valid_until,
        "valid_until": told.valid_until,
        "confidence": told.confidence,
        "uses": 0,
        "created_at": at,
    }
    connection.execute(insert(memories), row)
    add_telling(connection, memory_id, told, at)
    keywords.index(connection, memory_id, indexed(told))
    if meaning is not None and meaning.vector:
        hold(connection, memory_id, meaning)
    return memory_id


def hold(connection: Connection, memory_id: str, meaning: Meaning) -> None:
    connection.execute(
        insert(memory_vectors),
        {"memory_id": memory_id, "model": meaning.model, "vector": meaning.vector},
    )


def indexed(told: Statement) -> str:
    """The text whose words find a memory: its sentence, and its terms where that lacks them."""
    missing = [
        term
        for term in (told.subject, told.predicate, told.object)
        if term and normal(term) not in normal(told.sentence)
    ]
    return " ".join((told.sentence, *missing))


def _among(
    connection: Connection,
    told: Statement,
    rows: Sequence[RowMapping],
    begins: str,
    at: str,
) -> Remembered | None:
    """What the `rows` of its line say to it: known, or contested; None where it is new there."""
    before = next((row for row in reversed(rows) if row["valid_from"] <= begins), None)
    after = next((row for row in rows if row["valid_from"] > begins), None)
    if before is not None and before["told_until"] is not None and before["told_until"] <= begins:
        before = None
    for row in (before, after):
        if row is not None and normal(row["object"]) == normal(told.object):
            add_telling(connection, row["id"], told, at)
            return Remembered(outcome="merged", id=row["id"])
    if before is not None and not any(map(is_person, told.sources)):
        tellings = tellings_of(connection, [before["id"]])
        if any(is_person(basis) for telling in tellings for basis in telling.bases):
            return Remembered(
                outcome="contested",
                id=before["id"],
                why="a person said otherwise; only a person can change it",
            )
    return None


def _known(
    connection: Connection, told: Statement, meaning: Meaning | None, begins: str
) -> str | None:
    """The memory that says the same and holds when `told` begins."""
    where = _comparable(told, begins)
    said = memories.c.digest == digest_of(told)
    if told.structured:
        said = or_(said, memories.c.line == line_of(told))
    exact = select(memories).where(said, *where)
    for row in connection.execute(exact.order_by(memories.c.id)).mappings():
        if _same(told, row, 1.0):
            return str(row["id"])
    if meaning is None or not meaning.vector:
        return None
    near = dict(
        vectors.nearest(
            connection,
            meaning.vector,
            meaning.model,
            *where,
            least=NAMED_ALIKE,
            limit=_MOST_LOOKED_AT,
        )
    )
    rows = connection.execute(select(memories).where(memories.c.id.in_(list(near)))).mappings()
    for row in sorted(rows, key=lambda each: -near[each["id"]]):
        if _same(told, row, near[row["id"]]):
            return str(row["id"])
    return None


def _same(told: Statement, row: RowMapping, cosine: float) -> bool:
    return same_thing(
        (told.sentence, told.subject, told.predicate, told.object),
        (row["text"], row["subject"], row["predicate"], row["object"]),
        cosine,
    )


def same_thing(one: Sequence[str], other: Sequence[str], cosine: float | None) -> bool:
    """Do two (text, subject, predicate, object) say the same? Terms decide where both have them."""
    if one[1] and other[1]:
        if normal(one[1]) != normal(other[1]) or normal(one[3]) != normal(other[3]):
            return False
        return normal(one[2]) == normal(other[2]) or (cosine is not None and cosine >= NAMED_ALIKE)
    return say_the_same(one[0], other[0], cosine)


def _comparable(told: Statement, begins: str) -> tuple[ColumnElement[bool], ...]:
    return (
        memories.c.kind == told.kind,
        memories.c.worker == told.worker,
        memories.c.corrected_by.is_(None),
        memories.c.valid_from <= begins,
        or_(memories.c.valid_until.is_(None), memories.c.valid_until > begins),
    )
