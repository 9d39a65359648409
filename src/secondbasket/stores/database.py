"""The database: SQLite by default, PostgreSQL in production, one code for both.

Code above hands in a plain function of a SQLAlchemy connection; it runs in a
worker thread inside one transaction, which commits when the function returns
and rolls back when it raises.
"""

import logging
import sqlite3
from collections.abc import Callable
from typing import TypeVar

import anyio
from sqlalchemy import Connection, Dialect, Engine, Insert, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from secondbasket.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    PluginError,
    SettingsError,
    StoreError,
)
from secondbasket.stores import revisions

T = TypeVar("T")

_log = logging.getLogger(__name__)

_POSTGRES_CONNECTIONS = 8
_BUSY_SECONDS = 10


class Database:
    """One database. `url` is 'sqlite:////absolute/path' or 'postgresql://user@host/name'.

    Raises SettingsError for a URL that is neither, PluginError when the
    PostgreSQL driver is not installed. Nothing is connected before first use.
    """

    def __init__(self, url: str) -> None:
        self._url = _known_url(url)
        self._engine = _sqlite(self._url) if self.is_sqlite else _postgres(self._url)
        # SQLite has one writer at a time: waiting here keeps worker threads free.
        self._readers = anyio.CapacityLimiter(_POSTGRES_CONNECTIONS)
        self._writers = anyio.CapacityLimiter(1) if self.is_sqlite else self._readers

    @property
    def is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    async def read(self, work: Callable[[Connection], T]) -> T:
        """`work`'s result, from one consistent view of the data.

        Raises StoreError, and InvalidRequest for a value this database cannot hold.
        """
        return await anyio.to_thread.run_sync(self._transact, work, False, limiter=self._readers)

    async def snapshot(self, work: Callable[[Connection], T]) -> T:
        """As `read`, and on PostgreSQL too all queries of `work` see the data of one moment."""

        def see(connection: Connection) -> T:
            if not self.is_sqlite:
                connection.exec_driver_sql(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )
            return work(connection)

        return await self.read(see)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """`work`'s result, once what it wrote is committed. Raises as `read` does."""
        return await anyio.to_thread.run_sync(self._transact, work, True, limiter=self._writers)

    def _transact(self, work: Callable[[Connection], T], writes: bool) -> T:
        try:
            with (
                self._engine.connect().execution_options(writes=writes) as connection,
                connection.begin(),
            ):
                return work(connection)
        # The drivers raise the last two bare: an integer or a text that they cannot encode.
        except (DataError, OverflowError, UnicodeEncodeError) as exc:
            raise InvalidRequest(
                "A value cannot be looked up or stored.", hint="Leave control characters out."
            ) from exc
        except DBAPIError as exc:
            raise self._failed(exc) from exc

    async def scrub(self) -> None:
        """Have what was deleted leave SQLite's log, where old pages stay until written over.

        Waits for readers as a writer does, and leaves the log to a later time where they stay.
        PostgreSQL does its own, at times of its own.
        """
        if self.is_sqlite:
            await anyio.to_thread.run_sync(self._truncate_log, limiter=self._writers)

    def _truncate_log(self) -> None:
        try:
            connection = self._engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            finally:
                connection.close()
        except (sqlite3.Error, DBAPIError) as exc:
            raise StoreError(
                f"The database's log could not be emptied: {exc}.",
                hint="What was deleted leaves it in time; `basket doctor` shows what is wrong.",
            ) from exc

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that also knows ON CONFLICT, in this database's dialect."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def insert_text(self, table: Table) -> str:
        """An INSERT for `exec_driver_sql` with tuples, one value for each column in its order.

        For many rows: what SQLAlchemy does with each one costs more than storing it.
        """
        return self.text(table.insert())

    def text(self, statement: Insert) -> str:
        """`statement` for `exec_driver_sql`, its parameters as tuples in the columns' order."""
        plain: Dialect
        if self.is_sqlite:
            plain = sqlite.dialect(paramstyle="qmark")
        else:
            plain = postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]  # theirs
        return str(statement.compile(dialect=plain))

    async def prepare(self) -> None:
        """Make the tables of an empty database; see that others are of this version.

        Raises Conflict when they are older: changing them is the operator's to
        begin, after a backup. Raises StoreError when they are newer.
        """
        await self._require_not_older()
        await self.migrate()

    async def require_current(self) -> None:
        """See that the tables are of this version, changing nothing. Raises as `prepare` does, and
        NotFound for an empty database."""
        found = await self._require_not_older()
        if found is None:
            raise NotFound(
                "The database is empty.", hint="It gets its tables when a server first starts."
            )
        if found != revisions.known()[-1]:
            raise _newer(found)

    async def _require_not_older(self) -> str | None:
        found = await self.revision()
        if found in revisions.known()[:-1]:
            raise Conflict(
                f"The data is of an older version (schema {found}).",
                hint="Run `basket upgrade`: it makes a backup first.",
            )
        return found

    async def migrate(self) -> None:
        """Bring the tables to this version. Raises StoreError when they are of a newer one."""
        await anyio.to_thread.run_sync(self._migrate, limiter=self._writers)

    def _migrate(self) -> None:
        known = revisions.known()
        try:
            with (
                self._engine.connect().execution_options(writes=True) as connection,
                connection.begin(),
            ):
                found = revisions.current(connection)
                if found == known[-1]:
                    return
                if found is not None and found not in known:
                    raise _newer(found)
                # Not before it is needed: most starts have nothing to change.
                from secondbasket.stores.migrate import upgrade  # noqa: PLC0415 - as told

                upgrade(connection)
        except DBAPIError as exc:
            raise self._failed(exc) from exc

    async def revision(self) -> str | None:
        """The schema's revision as the database tells it; None for an empty database."""
        return await self.read(revisions.current)

    def _failed(self, exc: DBAPIError) -> StoreError:
        _log.error("database %s: %s", self, exc.orig)
        # A caller may read the message: where the database is stays in the log.
        reason = exc.orig if self.is_sqlite else type(exc.orig).__name__
        return StoreError(
            f"The database failed: {reason}.",
            hint="The log says more; check that it runs, has room, and may be written.",
        )

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Close the idle connections."""
        self._engine.dispose()


def _newer(revision: str) -> StoreError:
    return StoreError(
        "The database was last used by a newer version of Second Basket"
        f" (its schema is '{revision}').",
        hint="Install that version again, or restore a backup made before it.",
    )


def _known_url(url: str) -> URL:
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        file = parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:")
        if not file and parsed.drivername != "postgresql+psycopg":
            raise ArgumentError(parsed.drivername)
    except ArgumentError as exc:
        # The text itself is not repeated: it may hold a password.
        raise SettingsError(
            "The database URL names neither an SQLite file nor a PostgreSQL database.",
            hint="Write sqlite:////absolute/path or postgresql://user@host/name.",
        ) from exc
    return parsed


def _postgres(url: URL) -> Engine:
    try:
        return create_engine(url, pool_size=_POSTGRES_CONNECTIONS, pool_pre_ping=True)
    except ImportError as exc:
        raise PluginError(
            "The PostgreSQL driver is not installed.",
            hint="Run: pip install 'secondbasket[postgres]'",
        ) from exc


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own transactions begin late and leave DDL out; `_begin_sqlite` sends BEGIN.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL, not NORMAL: a journal segment is deleted once its rows are committed, so a commit
    # must survive a power cut. It is one fsync for a whole batch of rows.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: one that read first could not wait for it any more.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
