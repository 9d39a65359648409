"""How clean memory is: what today's rules would not keep, what is there twice, what nobody used."""

import msgspec
from sqlalchemy import Connection, func, or_, select

from secondbasket.apps.memory import vectors
from secondbasket.apps.memory.admission import objection
from secondbasket.apps.memory.likeness import NAMED_ALIKE
from secondbasket.apps.memory.memory import Hygiene
from secondbasket.apps.memory.placing import same_thing
from secondbasket.apps.memory.recall import Question, visible
from secondbasket.apps.memory.statement import COMPANY, Kind, Statement
from secondbasket.core.data_class import DataClass
from secondbasket.stores.schema import memories, memory_vectors

_MOST_COMPARED = 5_000


class _Row(msgspec.Struct, frozen=True):
    id: str
    kind: Kind
    worker: str
    text: str
    subject: str
    predicate: str
    object: str
    digest: str
    uses: int
    model: str
    vector: bytes

    @property
    def terms(self) -> tuple[str, ...]:
        return (self.text, self.subject, self.predicate, self.object)


def measure(connection: Connection, at: str) -> Hygiene:
    """The shares at a moment. Pairs are compared among the newest `_MOST_COMPARED`."""
    where = visible(Question(text="", at=at, worker=None, most_class=DataClass.SECRET))
    total = connection.scalar(select(func.count()).select_from(memories)) or 0
    present = connection.scalar(select(func.count()).where(*where)) or 0
    ended = (
        connection.scalar(
            select(func.count()).where(
                or_(memories.c.superseded_by.is_not(None), memories.c.corrected_by.is_not(None))
            )
        )
        or 0
    )
    columns = [memories.c[name] for name in _Row.__struct_fields__[:-2]]
    rows = [
        _Row(**{**row, "model": row["model"] or "", "vector": row["vector"] or b""})
        for row in connection.execute(
            select(*columns, memory_vectors.c.model, memory_vectors.c.vector)
            .outerjoin(memory_vectors, memory_vectors.c.memory_id == memories.c.id)
            .where(*where)
            .order_by(memories.c.created_at.desc(), memories.c.id.desc())
            .limit(_MOST_COMPARED)
        ).mappings()
    ]
    return Hygiene(
        memories=total,
        present=present,
        compared=len(rows),
        junk=_share(sum(map(_is_junk, rows)), len(rows)),
        duplicate=_share(_duplicates(rows), len(rows)),
        never_used=_share(sum(not row.uses for row in rows), len(rows)),
        contradicted=_share(ended, total),
    )


def _is_junk(row: _Row) -> bool:
    told = Statement(
        kind=row.kind,
        sources=(),
        text=row.text,
        subject=row.subject,
        predicate=row.predicate,
        object=row.object,
    )
    return objection(told) is not None


def _duplicates(rows: list[_Row]) -> int:
    """How many say what one before them says."""
    groups: dict[tuple[str, str, str], list[_Row]] = {}
    for row in rows:
        groups.setdefault((row.kind, row.worker or COMPANY, row.model), []).append(row)
    said: set[tuple[str, str]] = set()
    twice: set[str] = set()
    for row in rows:
        if (row.worker, row.digest) in said:
            twice.add(row.id)
        said.add((row.worker, row.digest))
    for group in groups.values():
        pairs = vectors.alike([row.vector for row in group], NAMED_ALIKE)
        for later, earlier, cosine in pairs:
            if same_thing(group[later].terms, group[earlier].terms, cosine):
                twice.add(group[later].id)
    return len(twice)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
