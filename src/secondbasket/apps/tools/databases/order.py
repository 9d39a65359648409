"""What the child process is asked, and what it answers: one JSON document each way."""

import datetime as dt
import decimal
import json
import math
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

CALLS = "second_basket_calls"
"""The table in which a database that workers may write to keeps which calls it has seen."""

MAKE_CALLS = """
CREATE TABLE IF NOT EXISTS second_basket_calls (key VARCHAR PRIMARY KEY, changed BIGINT NOT NULL)
"""
FIND_CALL = "SELECT changed FROM second_basket_calls WHERE key = ?"
ADD_CALL = "INSERT INTO second_basket_calls VALUES (?, -1)"
END_CALL = "UPDATE second_basket_calls SET changed = ? WHERE key = ?"

_LONGEST_CELL = 2000
_LARGEST_INTEGER = 1 << 53


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do with one database.

    'query' reads, at most `rows` rows of `size` bytes together. 'execute' writes
    under `key`, once: a key that is known is not acted on again. 'seen' says
    whether the key is known, once every call that was under way has ended.
    `path` is a file's, `url` and `password` are a server's.
    """

    ask: Literal["query", "execute", "seen"]
    kind: Literal["sqlite", "duckdb", "postgresql"]
    path: str = ""
    url: str = ""
    password: str = ""
    statement: str = ""
    key: str = ""
    rows: int = 200
    size: int = 48 * 1024
    seconds: float = 20.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`changed` counts rows that were written, -1 where the database does not say, None where
    the key was not seen. `error` says why nothing happened."""

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    cut: bool = False
    changed: int | None = None
    error: str = ""
    hint: str = ""


class Refused(Exception):
    """Nothing happened; the text says why, for whoever wrote the statement."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def table(columns: Sequence[str], rows: Iterator[Sequence[Any]], order: Order) -> Answer:
    """As much of `rows` as the order allows; they are not read any further than that."""
    kept: list[list[Any]] = []
    size = 0
    for row in rows:
        cells = [_plain(cell) for cell in row]
        size += len(json.dumps(cells))
        if len(kept) == order.rows or size > order.size:
            return Answer(columns=columns, rows=kept, cut=True)
        kept.append(cells)
    return Answer(columns=columns, rows=kept)


def _plain(value: Any) -> Any:
    """A cell as JSON has it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list | tuple | dict):
        return _short(json.dumps(value, default=str, ensure_ascii=False))
    if isinstance(value, str | decimal.Decimal | uuid.UUID | dt.timedelta):
        return _short(str(value))
    return _short(repr(value))


def _short(text: str) -> str:
    if len(text) <= _LONGEST_CELL:
        return text
    return f"{text[:_LONGEST_CELL]} [cut: {len(text)} characters]"


_WRITES = "INSERT UPDATE DELETE MERGE REPLACE WITH CREATE ALTER DROP TRUNCATE COMMENT"


def require_write(statement: str) -> None:
    """Transactions are ours: the key is written down in the one that the statement is part of."""
    first = statement.split(None, 1)[0].upper() if statement.strip() else ""
    if first not in _WRITES.split():
        raise Refused(
            f"A statement that writes begins with one of {', '.join(_WRITES.split())}.",
            "Reading is for sql.query; transactions are made for you.",
        )


def one_line(error: BaseException) -> str:
    """What a driver says, short enough for a model."""
    return " ".join(str(error).split())[:500] or type(error).__name__
