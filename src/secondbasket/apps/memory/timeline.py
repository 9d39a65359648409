"""One thing of one subject through time: who holds when, worked out anew at every change.

A line is all memories of one worker that say what the same predicate of the
same subject is. Each holds from its own beginning to the next one's, or to the
end it was told with. Since that is derived and not noted down piece by piece,
taking a memory away gives what it had ended its time back.
"""

from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise

from sqlalchemy import Connection, RowMapping, select, update

from secondbasket.apps.memory.statement import Statement
from secondbasket.apps.memory.words import normal, predicate_key
from secondbasket.stores.schema import memories

NO_LINE = ""


def line_of(told: Statement) -> str:
    """The name of the line that `told` belongs to; `NO_LINE` where it has no subject."""
    if not told.structured:
        return NO_LINE
    return _digest(normal(told.subject), predicate_key(told.predicate))


def digest_of(told: Statement) -> str:
    """The same for statements of a kind that say the same in the same words."""
    return _digest(told.kind, normal(told.sentence))


def rows_of(connection: Connection, worker: str, line: str) -> Sequence[RowMapping]:
    """The memories of a line that were never corrected and have one object each, in time."""
    query = select(memories).where(
        memories.c.line == line,
        memories.c.worker == worker,
        memories.c.corrected_by.is_(None),
        memories.c.several.is_(False),
    )
    in_time = query.order_by(memories.c.valid_from, memories.c.created_at, memories.c.id)
    return connection.execute(in_time).mappings().all()


def settle(connection: Connection, worker: str, line: str) -> list[str]:
    """Work out the line's ends, and return the ids of those that another one ends now."""
    if line == NO_LINE:
        return []
    rows = rows_of(connection, worker, line)
    ended = []
    for row, following in pairwise([*rows, None]):
        assert row is not None
        until, by = row["told_until"], None
        if following is not None and (until is None or following["valid_from"] < until):
            until, by = following["valid_from"], following["id"]
        if (until, by) != (row["valid_until"], row["superseded_by"]):
            connection.execute(
                update(memories)
                .where(memories.c.id == row["id"])
                .values(valid_until=until, superseded_by=by)
            )
            if by is not None:
                ended.append(row["id"])
    return ended


def _digest(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode()).hexdigest()
