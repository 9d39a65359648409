"""DuckDB: opened read-only, its access to files and the network switched off for good."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import duckdb

from secondbasket.apps.tools.databases.order import (
    ADD_CALL,
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

_SETTINGS: dict[str, Any] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "512MB",
    "threads": "1",
    "lock_configuration": "true",
}


def answer(order: Order) -> Answer:
    """Raises Refused."""
    reads = order.ask == "query"
    try:
        with closing(duckdb.connect(order.path, read_only=reads, config=_SETTINGS)) as connection:
            match order.ask:
                case "query":
                    return _run(connection, order)
                case "execute":
                    return _execute(connection, order)
                case "seen":
                    before = _claim(connection, order)
                    connection.rollback()
                    return before or Answer()
    except (duckdb.Error, ValueError) as exc:
        raise Refused(f"DuckDB says: {one_line(exc)}.") from exc


def _run(connection: duckdb.DuckDBPyConnection, order: Order) -> Answer:
    if len(connection.extract_statements(order.statement)) != 1:
        raise Refused("It takes exactly one statement.", "Make a call for each.")
    connection.execute(order.statement)
    columns = [str(column[0]) for column in connection.description or ()]
    return table(columns, _rows(connection) if columns else iter(()), order)


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while (row := connection.fetchone()) is not None:
        yield row


def _execute(connection: duckdb.DuckDBPyConnection, order: Order) -> Answer:
    require_write(order.statement)
    before = _claim(connection, order)
    if before is not None:
        connection.rollback()
        return before
    told = _run(connection, order)
    counts = [str(name) for name in told.columns] == ["Count"] and len(told.rows) == 1
    changed = int(told.rows[0][0]) if counts else -1
    connection.execute(END_CALL, (changed, order.key))
    connection.commit()
    return Answer(changed=changed)


def _claim(connection: duckdb.DuckDBPyConnection, order: Order) -> Answer | None:
    """Begin, and write the key down; what came of it where it stands there already."""
    connection.begin()
    connection.execute(MAKE_CALLS)
    row = connection.execute(FIND_CALL, (order.key,)).fetchone()
    if row is not None:
        return Answer(changed=row[0])
    connection.execute(ADD_CALL, (order.key,))
    return None
