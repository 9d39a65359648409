"""PostgreSQL: in a transaction that the server holds to reading, under a role that can do no more.

A read-only transaction does not bind a superuser's COPY to a program, nor who
may use the server's files: such a role is not used at all.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import pq
from psycopg.types.string import TextLoader

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

_CONNECT_SECONDS = 5
_ADD_CALL = f"{ADD_CALL} ON CONFLICT DO NOTHING".replace("?", "%s").encode()
_END_CALL = END_CALL.replace("?", "%s").encode()
_FIND_CALL = FIND_CALL.replace("?", "%s").encode()
_MIGHTY = """
SELECT rolname FROM pg_roles
WHERE pg_has_role(current_user, oid, 'member')
  AND (rolsuper OR rolname IN
       ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))
ORDER BY rolname
"""


def answer(order: Order) -> Answer:
    """Raises Refused."""
    try:
        with _opened(order) as connection:
            match order.ask:
                case "query":
                    return _query(connection, order)
                case "execute":
                    return _execute(connection, order)
                case "seen":
                    before = _claim(connection, order)
                    connection.rollback()
                    return before or Answer()
    except (psycopg.Error, ValueError) as exc:
        raise Refused(f"PostgreSQL says: {one_line(exc)}.") from exc


@contextmanager
def _opened(order: Order) -> Iterator[psycopg.Connection]:
    milliseconds = int(order.seconds * 1000)
    reads = "on" if order.ask == "query" else "off"
    connection = psycopg.connect(
        order.url,
        password=order.password or None,
        connect_timeout=_CONNECT_SECONDS,
        application_name="second basket",
        options=f"-c default_transaction_read_only={reads} -c statement_timeout={milliseconds}"
        f" -c lock_timeout={milliseconds} -c idle_in_transaction_session_timeout=60000",
    )
    try:
        connection.read_only = order.ask == "query"
        for name in ("json", "jsonb"):  # as text: a cell is shown, not used
            connection.adapters.register_loader(name, TextLoader)
        mighty = [row[0] for row in connection.execute(_MIGHTY)]
        if mighty:
            raise Refused(
                f"The role of this database may use the server's files or programs ({mighty[0]}).",
                "Your operator has to give it a role of its own with no such right.",
            )
        yield connection
    finally:
        connection.close()


def _query(connection: psycopg.Connection, order: Order) -> Answer:
    # One row at a time, as an extended query: that holds exactly one statement.
    with connection.cursor() as cursor:
        rows = cursor.stream(order.statement.encode())
        try:
            first = next(rows, None)
            columns = [column.name for column in cursor.description or ()]
            everything = _after(first, rows) if first is not None else iter(())
            return table(columns, everything, order)
        finally:
            rows.close()  # type: ignore[attr-defined]  # a generator, typed as less


def _after(
    first: tuple[object, ...], rest: Iterator[tuple[object, ...]]
) -> Iterator[tuple[object, ...]]:
    yield first
    yield from rest


def _execute(connection: psycopg.Connection, order: Order) -> Answer:
    require_write(order.statement)
    before = _claim(connection, order)
    if before is not None:
        connection.rollback()
        return before
    # An extended query again: a second statement in it could end the transaction.
    result = connection.pgconn.exec_params(order.statement.encode(), None)
    if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
        told = " ".join(result.error_message.decode(errors="replace").split())
        raise Refused(f"PostgreSQL says: {told[:500]}.")
    changed = -1 if result.command_tuples is None else result.command_tuples
    connection.execute(_END_CALL, (changed, order.key))
    connection.commit()
    return Answer(changed=changed)


def _claim(connection: psycopg.Connection, order: Order) -> Answer | None:
    """Write the key down; what came of it where it stands there already.

    A transaction that has written it and is not over is waited for.
    """
    known = connection.execute("SELECT to_regclass(%s)", (CALLS,)).fetchone()
    if known is None or known[0] is None:
        connection.execute(MAKE_CALLS.encode())
    claimed = connection.execute(_ADD_CALL, (order.key,))
    if claimed.rowcount == 1:
        return None
    row = connection.execute(_FIND_CALL, (order.key,)).fetchone()
    return Answer(changed=-1 if row is None else row[0])
