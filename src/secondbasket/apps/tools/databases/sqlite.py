"""SQLite: opened read-only, told to stay so, and asked about every step of a statement."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import quote

from secondbasket.apps.tools.databases.order import (
    ADD_CALL,
    CALLS,
    END_CALL,
    FIND_CALL,
    MAKE_CALLS,
    Answer,
    Order,
    Refused,
    one_line,
    require_write,
    table,
)

_LOCK_SECONDS = 5.0
_STEPS = 20_000
_LARGEST_VALUE = 16 * 1024 * 1024
_READS = frozenset(
    (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    )
)
_LOOKS = frozenset(
    "table_info table_xinfo table_list index_list index_info foreign_key_list".split()
)
_NEVER = frozenset(
    (
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DETACH,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_SAVEPOINT,
        sqlite3.SQLITE_CREATE_VTABLE,
        sqlite3.SQLITE_DROP_VTABLE,
    )
)


def answer(order: Order) -> Answer:
    """Raises Refused."""
    try:
        with _opened(order) as connection:
            match order.ask:
                case "query":
                    # Its table is declared at the first use, which a rule would have to allow.
                    connection.execute("SELECT 1 FROM pragma_table_info('')")
                    connection.set_authorizer(_reading)
                    return _run(connection, order)
                case "execute":
                    return _execute(connection, order)
                case "seen":
                    return _seen(connection, order)
    # The driver raises the last two bare: a statement with a NUL in it, or of more than one part.
    except (sqlite3.Error, sqlite3.Warning, ValueError) as exc:
        raise Refused(f"SQLite says: {one_line(exc)}.") from exc


@contextmanager
def _opened(order: Order) -> Iterator[sqlite3.Connection]:
    mode = "ro" if order.ask == "query" else "rw"
    with closing(
        sqlite3.connect(
            f"file:{quote(order.path)}?mode={mode}",
            uri=True,
            timeout=_LOCK_SECONDS,
            isolation_level=None,
        )
    ) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.execute("PRAGMA trusted_schema = OFF")  # what a view calls harms nobody
        if order.ask == "query":
            connection.execute("PRAGMA query_only = ON")
        connection.text_factory = lambda held: held.decode(errors="replace")
        ends = time.monotonic() + order.seconds
        connection.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
        yield connection


def _run(connection: sqlite3.Connection, order: Order) -> Answer:
    cursor = connection.execute(order.statement)
    return table([column[0] for column in cursor.description or ()], cursor, order)


def _execute(connection: sqlite3.Connection, order: Order) -> Answer:
    require_write(order.statement)
    before = _claim(connection, order)
    if before is not None:
        return before
    connection.set_authorizer(_writing)
    changes = connection.total_changes
    told = _run(connection, order)
    changed = connection.total_changes - changes
    connection.set_authorizer(None)
    connection.execute(END_CALL, (changed, order.key))
    connection.execute("COMMIT")
    return Answer(columns=told.columns, rows=told.rows, cut=told.cut, changed=changed)


def _seen(connection: sqlite3.Connection, order: Order) -> Answer:
    before = _claim(connection, order)
    connection.execute("ROLLBACK")
    return before or Answer()


def _claim(connection: sqlite3.Connection, order: Order) -> Answer | None:
    """Begin, and write the key down; what came of it where it stands there already."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(MAKE_CALLS)
    row = connection.execute(FIND_CALL, (order.key,)).fetchone()
    if row is not None:
        return Answer(changed=row[0])
    connection.execute(ADD_CALL, (order.key,))
    return None


def _reading(
    action: int, first: str | None, second: str | None, _database: str | None, _view: str | None
) -> int:
    if action == sqlite3.SQLITE_PRAGMA:
        return sqlite3.SQLITE_OK if first in _LOOKS else sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and second == "load_extension":
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY


def _writing(
    action: int, first: str | None, second: str | None, database: str | None, view: str | None
) -> int:
    if action in (*_READS, sqlite3.SQLITE_PRAGMA):
        ours = action == sqlite3.SQLITE_READ and first == CALLS
        return sqlite3.SQLITE_DENY if ours else _reading(action, first, second, database, view)
    return sqlite3.SQLITE_DENY if action in _NEVER or first == CALLS else sqlite3.SQLITE_OK
