"""One suite over SQLite and a real PostgreSQL server."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine import make_url

from secondbasket.errors import Conflict, InvalidRequest, NotFound, SettingsError, StoreError
from secondbasket.stores.database import Database
from secondbasket.stores.schema import journal_positions, metadata
from tests.databases import migrate_to

pytestmark = pytest.mark.anyio


def engine_of(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(parsed)


def described(connection: Connection) -> dict[str, Any]:
    """Every table as the database itself describes it, the migrations' own bookkeeping aside."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": [
                (column["name"], str(column["type"]), column["nullable"])
                for column in inspector.get_columns(table)
            ],
            "primary key": inspector.get_pk_constraint(table)["constrained_columns"],
            "indexes": sorted(
                (str(index["name"]), index["column_names"], index["unique"])
                for index in inspector.get_indexes(table)
            ),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


async def test_the_schema_equals_the_summed_migrations(database: Database) -> None:
    migrated = await database.read(described)

    def anew(connection: Connection) -> dict[str, Any]:
        metadata.drop_all(connection)
        metadata.create_all(connection)
        return described(connection)

    assert migrated == await database.write(anew)
    assert "receipts" in migrated


async def test_migrating_again_changes_nothing_and_loses_nothing(database: Database) -> None:
    row = {"segment": "a", "position": 7}
    await database.write(lambda c: c.execute(insert(journal_positions), row))
    revision = await database.revision()
    await database.migrate()
    assert await database.revision() == revision
    found = await database.read(lambda c: c.execute(select(journal_positions)).mappings().all())
    assert [dict(each) for each in found] == [row]


async def test_a_database_of_a_newer_version_is_refused_untouched(database: Database) -> None:
    newer = text("UPDATE alembic_version SET version_num = 'from_the_future'")
    await database.write(lambda c: c.execute(newer))
    before = await database.read(described)
    with pytest.raises(StoreError, match=r"newer version.*from_the_future") as caught:
        await database.migrate()
    assert "Install that version again" in caught.value.hint
    assert await database.read(described) == before


async def test_a_migration_that_fails_half_way_leaves_nothing(database_url: str) -> None:
    database = Database(database_url)
    # The last table the first step makes is there already, so that step fails at its end.
    await database.write(lambda c: c.execute(text("CREATE TABLE sessions (hmac TEXT)")))
    with pytest.raises(StoreError):
        await database.migrate()
    assert list(await database.read(described)) == ["sessions"]
    await database.write(lambda c: c.execute(text("DROP TABLE sessions")))
    await database.migrate()
    assert "receipts" in await database.read(described)
    database.close()


async def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(insert(journal_positions), {"segment": "a", "position": 1})
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(fail)
    assert await database.read(lambda c: c.execute(select(journal_positions)).all()) == []


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
async def test_a_value_that_no_column_holds_is_the_callers_mistake(
    database: Database, value: int
) -> None:
    row = {"segment": "a", "position": value}
    with pytest.raises(InvalidRequest):
        await database.write(lambda c: c.execute(insert(journal_positions), row))


async def test_writers_of_two_processes_wait_for_each_other(
    database: Database, database_url: str
) -> None:
    """Each adds to what it reads: an update lost to another writer would show in the sum."""
    table = journal_positions
    await database.write(lambda c: c.execute(insert(table), {"segment": "a", "position": 0}))
    other = Database(database_url)

    def add_one(connection: Connection) -> None:
        held = select(table.c.position).with_for_update()
        position = connection.scalars(held).one()
        connection.execute(update(table).values(position=position + 1))

    async with anyio.create_task_group() as tasks:
        for _ in range(25):
            tasks.start_soon(database.write, add_one)
            tasks.start_soon(other.write, add_one)
    assert await database.read(lambda c: c.scalars(select(table.c.position)).one()) == 50
    other.close()


async def test_a_snapshot_sees_one_moment(database: Database, database_url: str) -> None:
    """However many queries it asks, and whatever is committed between two of them."""
    outside = engine_of(database_url)
    count = select(func.count()).select_from(journal_positions)

    def look_twice(connection: Connection) -> list[int]:
        seen = [connection.scalar(count) or 0]
        with outside.begin() as writer:
            writer.execute(insert(journal_positions), {"segment": "a", "position": 1})
        return [*seen, connection.scalar(count) or 0]

    assert await database.snapshot(look_twice) == [0, 0]
    outside.dispose()
    assert await database.read(lambda c: c.scalar(count)) == 1


async def test_a_snapshot_writes_nothing_on_postgresql(database: Database) -> None:
    row = {"segment": "a", "position": 1}
    if not database.is_sqlite:
        with pytest.raises(StoreError):
            await database.snapshot(lambda c: c.execute(insert(journal_positions), row))
    assert await database.read(lambda c: c.execute(select(journal_positions)).all()) == []


async def test_who_only_reads_is_told_of_another_version_and_changes_nothing(
    database_url: str,
) -> None:
    database = Database(database_url)
    with pytest.raises(NotFound, match="empty"):
        await database.require_current()
    await database.write(partial(migrate_to, "0002"))
    with pytest.raises(Conflict) as caught:
        await database.require_current()
    assert "basket upgrade" in caught.value.hint
    assert await database.revision() == "0002"
    await database.migrate()
    await database.require_current()
    newer = text("UPDATE alembic_version SET version_num = 'from_the_future'")
    await database.write(lambda c: c.execute(newer))
    with pytest.raises(StoreError, match="newer version"):
        await database.require_current()
    database.close()


async def test_readers_do_not_wait_for_a_writer(database: Database, database_url: str) -> None:
    outside = engine_of(database_url)
    with outside.connect() as writer:
        writer.execute(insert(journal_positions), {"segment": "a", "position": 1})
        with anyio.fail_after(5):
            assert await database.read(lambda c: c.execute(select(journal_positions)).all()) == []
        writer.commit()
    outside.dispose()
    assert await database.read(lambda c: c.execute(select(journal_positions)).all()) == [("a", 1)]


async def test_sqlite_is_set_up_to_keep_what_it_committed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'basket.db'}")

    def pragmas(connection: Connection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await database.read(pragmas) == ["wal", 2, 1, 10_000]
    database.close()


async def test_a_failing_database_is_a_clear_error(tmp_path: Path) -> None:
    missing = Database(f"sqlite:///{tmp_path / 'nowhere' / 'basket.db'}")
    with pytest.raises(StoreError, match="unable to open database file"):
        await missing.migrate()
    (tmp_path / "text.db").write_text("this is no database " * 100)
    damaged = Database(f"sqlite:///{tmp_path / 'text.db'}")
    with pytest.raises(StoreError, match="not a database"):
        await damaged.migrate()


async def test_an_error_does_not_tell_where_the_database_is(tmp_path: Path) -> None:
    database = Database(f"postgresql://basket:hunter2@/absent?host={tmp_path}")
    with pytest.raises(StoreError) as caught:
        await database.migrate()
    assert "hunter2" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert "hunter2" not in str(database)


@pytest.mark.parametrize(
    "url", ["", "basket.db", "mysql://u:hunter2@h/d", "sqlite://", "sqlite:///:memory:"]
)
def test_a_url_of_neither_kind_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)


def test_a_missing_driver_names_its_install_command() -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from secondbasket.stores.database import Database\n"
        "Database('postgresql://basket@localhost/basket')"
    )
    child = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert child.returncode == 1
    assert "PluginError" in child.stderr
    assert "pip install 'secondbasket[postgres]'" in child.stderr
