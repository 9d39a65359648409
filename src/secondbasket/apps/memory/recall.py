"""Recall: what answers a question at a moment, to whom. By words and by meaning, fused by rank."""

from collections import defaultdict
from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, or_, select

from secondbasket.apps.memory import keywords, vectors
from secondbasket.apps.memory.memory import Memory, Recalled, State
from secondbasket.apps.memory.placing import Meaning
from secondbasket.apps.memory.statement import COMPANY, Kind
from secondbasket.apps.memory.tellings import MEMORY, parts, tellings_of
from secondbasket.apps.memory.timeline import NO_LINE
from secondbasket.core.data_class import DataClass
from secondbasket.stores.schema import memories

_CANDIDATES = 50
_FAR = 0.3
_RANK = 60


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`worker` sees its own and the company's, `COMPANY` the company's, None all; of no class
    above `most_class`. `at` is the moment that has to lie in a memory's validity."""

    text: str
    at: str
    worker: str | None = COMPANY
    most_class: DataClass = DataClass.INTERNAL
    kinds: Collection[Kind] = ()
    limit: int = 8


def recall(connection: Connection, question: Question, meaning: Meaning | None) -> list[Recalled]:
    """What answers, best first; nothing of it is past, coming, corrected or without ground."""
    where = visible(question)
    ranked = {"words": keywords.best(connection, question.text, *where, limit=_CANDIDATES)}
    if meaning is not None and meaning.vector:
        ranked["meaning"] = vectors.nearest(
            connection, meaning.vector, meaning.model, *where, least=_FAR, limit=_CANDIDATES
        )
    scores: defaultdict[str, float] = defaultdict(float)
    found_by: defaultdict[str, list[str]] = defaultdict(list)
    for way, found in ranked.items():
        for rank, (memory_id, _) in enumerate(found, start=1):
            scores[memory_id] += 1 / (_RANK + rank)
            found_by[memory_id].append(way)
    rows = found_memories(connection, list(scores), question.at)
    present = {row.id: row for row in rows if row.state == "present"}
    for outdated in _outdated(connection, question, list(present.values())):
        del present[outdated]
    best = sorted(present.values(), key=lambda each: (-scores[each.id], -each.confidence, each.id))
    return [
        Recalled(each, round(scores[each.id], 6), tuple(found_by[each.id]))
        for each in best[: question.limit]
    ]


def visible(question: Question) -> list[ColumnElement[bool]]:
    """What `question` may be answered with, as far as one row tells."""
    where = [
        memories.c.corrected_by.is_(None),
        memories.c.valid_from <= question.at,
        or_(memories.c.valid_until.is_(None), memories.c.valid_until > question.at),
        memories.c.data_class.in_([c.label for c in DataClass if c <= question.most_class]),
    ]
    if question.worker is not None:
        where.append(memories.c.worker.in_([COMPANY, question.worker]))
    if question.kinds:
        where.append(memories.c.kind.in_(list(question.kinds)))
    return where


def _outdated(connection: Connection, question: Question, found: Sequence[Memory]) -> set[str]:
    """Those for which a worker and the company know different things: the later one answers."""
    if question.worker in (None, COMPANY):
        return set()
    ids = [each.id for each in found if each.subject and not each.several]
    here = select(memories.c.line).where(memories.c.id.in_(ids), memories.c.line != NO_LINE)
    rows = connection.execute(
        select(memories.c.id, memories.c.line, memories.c.valid_from, memories.c.created_at)
        .where(memories.c.line.in_(here), memories.c.several.is_(False), *visible(question))
        .order_by(memories.c.valid_from, memories.c.created_at, memories.c.id)
    )
    latest = {row.line: row.id for row in rows}
    lines = dict(
        connection.execute(
            select(memories.c.id, memories.c.line).where(memories.c.id.in_(ids))
        ).all()
    )
    return {each for each in ids if latest.get(lines[each], each) != each}


def found_memories(connection: Connection, ids: Sequence[str], at: str) -> list[Memory]:
    """The memories with these ids and how they stand at `at`, in the order of the ids."""
    rows = {}
    for some in parts(ids):
        query = select(memories).where(memories.c.id.in_(some))
        rows.update({row["id"]: row for row in connection.execute(query).mappings()})
    tellings = defaultdict(list)
    for telling in tellings_of(connection, list(rows)):
        tellings[telling.memory_id].append(telling)
    founded = _Founded(connection, at)
    found = []
    for memory_id in ids:
        row = rows.get(memory_id)
        if row is None:
            continue
        bases = {basis for telling in tellings[memory_id] for basis in telling.bases}
        state = _state(row, at)
        if state == "present" and not founded.any(
            [telling.bases for telling in tellings[memory_id]]
        ):
            state = "unfounded"
        found.append(
            Memory(
                **{name: row[name] for name in _COLUMNS},
                sources=tuple(sorted(each for each in bases if not each.startswith(MEMORY))),
                derived_from=tuple(
                    sorted(each.removeprefix(MEMORY) for each in bases if each.startswith(MEMORY))
                ),
                state=state,
            )
        )
    return found


class _Founded:
    """Whether what a telling was derived from holds; memories ask for theirs in turn."""

    def __init__(self, connection: Connection, at: str) -> None:
        self._connection = connection
        self._at = at
        self._known: dict[str, bool] = {}

    def any(self, tellings: Sequence[Collection[str]]) -> bool:
        return any(
            all(self._holds(basis) for basis in bases if basis.startswith(MEMORY))
            for bases in tellings
        )

    def _holds(self, basis: str) -> bool:
        if basis not in self._known:
            self._known[basis] = False  # what is derived from itself has no ground
            memory_id = basis.removeprefix(MEMORY)
            query = select(memories).where(memories.c.id == memory_id)
            row = self._connection.execute(query).mappings().first()
            if row is not None and _state(row, self._at) == "present":
                below = tellings_of(self._connection, [memory_id])
                self._known[basis] = self.any([each.bases for each in below])
        return self._known[basis]


def _state(row: RowMapping, at: str) -> State:
    if row["corrected_by"] is not None:
        return "corrected"
    if str(row["valid_from"]) > at:
        return "coming"
    if row["valid_until"] is not None and str(row["valid_until"]) <= at:
        return "past" if row["superseded_by"] is None else "contradicted"
    return "present"


_DERIVED = ("sources", "derived_from", "state")
_COLUMNS = tuple(name for name in Memory.__struct_fields__ if name not in _DERIVED)
