"""Taking away: memories, what was made of them, and every row that could find them again."""

from collections.abc import Collection, Iterable
from hashlib import sha256

import msgspec
from sqlalchemy import Connection, Table, delete, select, update

from secondbasket.apps.memory import keywords
from secondbasket.apps.memory.placing import indexed
from secondbasket.apps.memory.statement import Statement
from secondbasket.apps.memory.tellings import MEMORY, Wording, parts, tellings_of, weigh
from secondbasket.apps.memory.timeline import NO_LINE, digest_of, settle
from secondbasket.errors import NotFound
from secondbasket.stores.schema import (
    memories,
    memory_bases,
    memory_keys,
    memory_tellings,
    memory_vectors,
    memory_words,
)


class Removed(msgspec.Struct, kw_only=True):
    """What one removal did. `direct` and `derived` are gone, `kept` lost a telling and stay."""

    direct: set[str] = msgspec.field(default_factory=set)
    derived: set[str] = msgspec.field(default_factory=set)
    kept: set[str] = msgspec.field(default_factory=set)
    places: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return sorted(self.direct | self.derived)


def ids_sha256(ids: Iterable[str]) -> str:
    return sha256("".join(f"{each}\n" for each in sorted(ids)).encode()).hexdigest()


def remove(
    connection: Connection, *, sources: Collection[str] = (), ids: Collection[str] = ()
) -> Removed:
    """Take away every telling that rests on one of `sources`, the memories `ids`, and what falls
    with them: memories that nothing tells any more, and the tellings derived from those."""
    removed = Removed()
    lines: set[tuple[str, str]] = set()
    _delete_memories(connection, ids, removed, lines)
    removed.direct.update(ids)
    bases = [*sources, *(MEMORY + each for each in ids)]
    first = bool(sources)
    while bases:
        touched = _delete_tellings(connection, bases, removed)
        told = {each.memory_id for each in tellings_of(connection, sorted(touched))}
        silent = touched - told
        removed.kept = (removed.kept | told) - silent
        _delete_memories(connection, silent, removed, lines)
        (removed.direct if first else removed.derived).update(silent)
        bases, first = [MEMORY + each for each in silent], False
    for memory_id in sorted(removed.kept):
        lines.add(_reword(connection, memory_id))
    for worker, line in sorted(lines):
        settle(connection, worker, line)
    return removed


def whole_story(connection: Connection, memory_id: str) -> set[str]:
    """The memory, the other values of its line, and what they were corrected from and to.

    Raises NotFound.
    """
    row = connection.execute(select(memories).where(memories.c.id == memory_id)).mappings().first()
    if row is None:
        raise NotFound(
            f"There is no memory '{memory_id[:64]}'.", hint="`basket memory list` lists them."
        )
    found, waiting = set[str](), {memory_id}
    while waiting:
        found |= waiting
        rows = connection.execute(
            select(memories).where(memories.c.id.in_(sorted(waiting)))
        ).mappings()
        following: set[str] = set()
        for each in rows:
            if each["corrected_by"] is not None:
                following.add(each["corrected_by"])
            if each["line"] != NO_LINE and not each["several"]:
                same = select(memories.c.id).where(
                    memories.c.line == each["line"],
                    memories.c.worker == each["worker"],
                    memories.c.several.is_(False),
                )
                following.update(connection.scalars(same))
        before = select(memories.c.id).where(memories.c.corrected_by.in_(sorted(waiting)))
        following.update(connection.scalars(before))
        waiting = following - found
    return set(connection.scalars(select(memories.c.id).where(memories.c.id.in_(sorted(found)))))


def descendants(connection: Connection, memory_id: str) -> set[str]:
    """The ids of all memories that were derived from this one, directly or through others."""
    found, waiting = set[str](), {memory_id}
    while waiting:
        on_it = (
            select(memory_tellings.c.memory_id)
            .join(memory_bases, memory_bases.c.telling_id == memory_tellings.c.id)
            .where(memory_bases.c.basis.in_([MEMORY + each for each in sorted(waiting)]))
        )
        waiting = set(connection.scalars(on_it)) - found - {memory_id}
        found |= waiting
    return found


def unindex(connection: Connection, memory_id: str) -> dict[str, int]:
    """Take a memory out of both searches; it stays to be read. What went, by place."""
    return {
        place: gone
        for place, table in (("words", memory_words), ("vectors", memory_vectors))
        if (gone := _delete(connection, table, "memory_id", [memory_id]))
    }


def _delete_tellings(connection: Connection, bases: Collection[str], removed: Removed) -> set[str]:
    """Delete what rests on `bases`; the ids of the memories that it told."""
    touched: set[str] = set()
    for some in parts(sorted(bases)):
        on_it = select(memory_bases.c.telling_id).where(memory_bases.c.basis.in_(some)).distinct()
        tellings = list(connection.scalars(on_it))
        for those in parts(tellings):
            told = select(memory_tellings.c.memory_id).where(memory_tellings.c.id.in_(those))
            touched.update(connection.scalars(told))
        _delete(connection, memory_bases, "telling_id", tellings)
        _count(removed, "tellings", _delete(connection, memory_tellings, "id", tellings))
    return touched


def _delete_memories(
    connection: Connection, ids: Collection[str], removed: Removed, lines: set[tuple[str, str]]
) -> None:
    if not ids:
        return
    listed = sorted(ids)
    for some in parts(listed):
        query = select(memories.c.worker, memories.c.line).where(memories.c.id.in_(some))
        lines.update((row.worker, row.line) for row in connection.execute(query))
        told = select(memory_tellings.c.id).where(memory_tellings.c.memory_id.in_(some))
        tellings = list(connection.scalars(told))
        _delete(connection, memory_bases, "telling_id", tellings)
        _count(removed, "tellings", _delete(connection, memory_tellings, "id", tellings))
        # The key stays, so that a call which is made again after a crash brings nothing back.
        connection.execute(
            update(memory_keys).where(memory_keys.c.memory_id.in_(some)).values(outcome="erased")
        )
    for place, table in (("words", memory_words), ("vectors", memory_vectors)):
        _count(removed, place, _delete(connection, table, "memory_id", listed))
    _count(removed, "memories", _delete(connection, memories, "id", listed))


def _reword(connection: Connection, memory_id: str) -> tuple[str, str]:
    """Give a memory that lost a telling the words of the earliest that is left. Its line."""
    wording = tellings_of(connection, [memory_id])[0].wording
    row = connection.execute(select(memories).where(memories.c.id == memory_id)).mappings().one()
    weigh(connection, memory_id)
    if wording != Wording(**{name: row[name] for name in Wording.__struct_fields__}):
        told = Statement(kind=row["kind"], sources=(), **msgspec.structs.asdict(wording))
        values = {
            **msgspec.structs.asdict(wording),
            "digest": digest_of(told),
            "length": keywords.length(indexed(told)),
        }
        connection.execute(update(memories).where(memories.c.id == memory_id).values(**values))
        keywords.index(connection, memory_id, indexed(told))
        if row["corrected_by"] is not None:
            unindex(connection, memory_id)
        # The vector was of the words that went.
        _delete(connection, memory_vectors, "memory_id", [memory_id])
    return row["worker"], row["line"]


def _delete(connection: Connection, table: Table, column: str, values: Collection[str]) -> int:
    gone = 0
    for some in parts(values):
        gone += connection.execute(delete(table).where(table.c[column].in_(some))).rowcount
    return gone


def _count(removed: Removed, place: str, gone: int) -> None:
    if gone:
        removed.places[place] = removed.places.get(place, 0) + gone
