"""SQL on real databases: read-only is what the database says, and a write is done once."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import duckdb
import psycopg
import pytest

from secondbasket.apps.tools import sql
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.core.data_class import DataClass
from secondbasket.core.ports import Tool
from secondbasket.core.tool import NeverHappened, ToolCall, ToolOutcome
from secondbasket.errors import OutcomeUnknown, ToolFailed
from tests.databases import postgres_socket
from tests.grounds import no_session

__all__ = ["postgres_socket"]
pytestmark = pytest.mark.anyio

MADE = (
    "CREATE TABLE orders (id INTEGER, customer VARCHAR(60), total NUMERIC(10, 2))",
    "INSERT INTO orders VALUES (1, 'Adler', 9.50), (2, 'Birke', 20.25), (3, NULL, 1)",
)


class Attachment:
    """A real database of one kind: its settings, and a look at it that is not the product's."""

    def __init__(self, table: dict[str, Any], look: Callable[[str], list[Any]]) -> None:
        self.table = table
        self.look = look

    def tools(self, **more: Any) -> dict[str, Tool]:
        """The family over it; `more` are settings of the database, `rows` and `seconds` its own."""
        own: dict[str, Any] = {name: more.pop(name) for name in ("rows", "seconds") if name in more}
        made = sql.create(
            ToolGround(
                session=no_session,
                settings={"databases": {"sales": {**self.table, **more}}, **own},
                programs=Path("/"),
            )
        )
        return {tool.facts.name: tool for tool in made}


def _sqlite(folder: Path) -> Attachment:
    path = folder / "sales.db"

    def look(statement: str) -> list[Any]:
        connection = sqlite3.connect(path)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    connection = sqlite3.connect(path)
    for statement in MADE:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return Attachment({"kind": "sqlite", "path": str(path)}, look)


def _duckdb(folder: Path) -> Attachment:
    path = folder / "sales.duckdb"

    def look(statement: str) -> list[Any]:
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(statement).fetchall()

    with duckdb.connect(str(path)) as connection:
        for statement in MADE:
            connection.execute(statement)
    return Attachment({"kind": "duckdb", "path": str(path)}, look)


def _postgresql(socket: Path) -> Attachment:
    name, role = (f"{kind}_{uuid.uuid4().hex[:12]}" for kind in ("sales", "worker"))
    root = f"host={socket} user=basket"
    with psycopg.connect(f"{root} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        connection.execute(f"CREATE DATABASE {name} OWNER {role}".encode())
    with psycopg.connect(f"host={socket} user={role} dbname={name}") as connection:
        for statement in MADE:
            connection.execute(statement.encode())

    def look(statement: str) -> list[Any]:
        with psycopg.connect(f"{root} dbname={name}") as connection:
            return connection.execute(statement.encode()).fetchall()

    return Attachment(
        {"kind": "postgresql", "url": f"postgresql://{role}@/{name}?host={socket}"}, look
    )


KINDS = ("sqlite", "duckdb", "postgresql")


@pytest.fixture(params=KINDS)
def attachment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Attachment]:
    match request.param:
        case "sqlite":
            yield _sqlite(tmp_path)
        case "duckdb":
            yield _duckdb(tmp_path)
        case _:
            yield _postgresql(request.getfixturevalue("postgres_socket"))


@pytest.fixture
def sqlite_only(tmp_path: Path) -> Attachment:
    return _sqlite(tmp_path)


def call_of(statement: str = "", key: str = "eff_1") -> ToolCall:
    arguments = {"database": "sales"} | ({"statement": statement} if statement else {})
    return ToolCall(key=key, task="t", worker="w", arguments=arguments, folder=Path("/nowhere"))


async def query(tools: dict[str, Tool], statement: str) -> ToolOutcome:
    return await tools["sql.query"].call(call_of(statement))


async def test_it_reads(attachment: Attachment) -> None:
    tools = attachment.tools(data_class="confidential")
    assert set(tools) == {"sql.tables", "sql.query"}
    outcome = await query(tools, "SELECT id, customer, total FROM orders ORDER BY id")
    assert outcome.data["columns"] == ["id", "customer", "total"]
    assert [row[:2] for row in outcome.data["rows"]] == [[1, "Adler"], [2, "Birke"], [3, None]]
    assert float(outcome.data["rows"][0][2]) == 9.5
    assert outcome.text.splitlines()[0] == "id | customer | total"
    assert outcome.text.endswith("[3 rows]")
    assert outcome.data_class is DataClass.CONFIDENTIAL
    assert tools["sql.query"].facts.from_outside
    assert outcome.citations[0].source == "sales"


async def test_it_lists_tables_with_their_columns(attachment: Attachment) -> None:
    outcome = await attachment.tools()["sql.tables"].call(call_of())
    assert "orders(id INTEGER, customer" in outcome.text.replace("id integer", "id INTEGER")


async def test_nothing_is_an_answer_too(attachment: Attachment) -> None:
    outcome = await query(attachment.tools(), "SELECT id FROM orders WHERE id > 99")
    assert outcome.data["rows"] == []
    assert outcome.text.endswith("[0 rows]")


EVERYWHERE = (
    "DELETE FROM orders",
    "DROP TABLE orders",
    "CREATE TABLE mine (a INTEGER)",
    "SELECT 1; DELETE FROM orders",
    "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
    "COMMIT",
    "BEGIN",
    "CREATE TEMP TABLE t AS SELECT 1",
    "SELEC nonsense",
    "-- nothing",
)
WAYS_OUT = {
    "sqlite": (
        *EVERYWHERE,
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "ATTACH DATABASE '{other}' AS other",
        "VACUUM INTO '{other}'",
        "VACUUM",
        "SELECT load_extension('{other}')",
        "CREATE VIRTUAL TABLE v USING fts5(a)",
    ),
    "duckdb": (
        *EVERYWHERE,
        "ATTACH '{other}'",
        "COPY orders TO '{other}'",
        "EXPORT DATABASE '{other}'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/passwd')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
    ),
    "postgresql": (
        *EVERYWHERE,
        "SET default_transaction_read_only = off",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SET TRANSACTION READ WRITE",
        "COPY orders TO '{other}'",
        "COPY orders TO PROGRAM 'touch {other}'",
        "COPY (SELECT 1) TO STDOUT",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
    ),
}


async def test_it_does_nothing_but_read(attachment: Attachment, tmp_path: Path) -> None:
    """Each is refused, or done without any of it being left (a setting of a session that ends)."""
    other = tmp_path / "other.db"
    tools = attachment.tools()
    for statement in WAYS_OUT[attachment.table["kind"]]:
        with contextlib.suppress(ToolFailed):
            outcome = await query(tools, statement.format(other=other))
            assert "root:" not in outcome.text, statement
        assert not other.exists(), statement
        count, total = attachment.look("SELECT count(*), sum(total) FROM orders")[0]
        assert (count, float(total)) == (3, 30.75), statement
    with pytest.raises((sqlite3.Error, duckdb.Error, psycopg.Error)):
        attachment.look("SELECT * FROM mine")


async def test_rows_and_bytes_are_bounded(attachment: Attachment) -> None:
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
    outcome = await query(attachment.tools(rows=50), f"{many} SELECT i FROM n")
    assert len(outcome.data["rows"]) == 50
    assert outcome.data["cut"]
    assert outcome.text.endswith("[cut after 50 rows]")
    wide = "'" + "x" * 5000 + "'"
    outcome = await query(attachment.tools(), f"{many} SELECT i, {wide} FROM n")
    assert outcome.data["cut"]
    assert len(outcome.text) < 64 * 1024
    assert "[cut: 5000 characters]" in outcome.text


async def test_what_does_not_end_is_ended(attachment: Attachment) -> None:
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i > 0)"
    began = time.monotonic()
    with pytest.raises((ToolFailed, OutcomeUnknown)):
        await query(attachment.tools(seconds=1.0), f"{forever} SELECT sum(i * 0) FROM n")
    assert time.monotonic() - began < 12


async def test_a_value_that_is_too_large_harms_nobody(attachment: Attachment) -> None:
    large = {"sqlite": "zeroblob(2000000000)", "postgresql": "repeat('x', 2000000000)"}.get(
        attachment.table["kind"], "repeat('x', 2000000000)"
    )
    with pytest.raises((ToolFailed, OutcomeUnknown)):
        await query(attachment.tools(seconds=10.0), f"SELECT {large}")


async def test_a_write_is_done_once_under_its_key(attachment: Attachment) -> None:
    tool = attachment.tools(write=True)["sql.execute"]
    assert tool.facts.effect == "write"
    assert tool.facts.takes_key
    call = call_of("INSERT INTO orders VALUES (4, 'Cedar', 5)", "eff_once")
    assert isinstance(await tool.reconcile(call), NeverHappened)
    first = await tool.call(call)
    assert first.data == {"changed": 1}
    assert await tool.call(call) == first
    assert await tool.reconcile(call) == first
    assert attachment.look("SELECT count(*) FROM orders WHERE customer = 'Cedar'")[0][0] == 1
    again = await tool.call(call_of("INSERT INTO orders VALUES (4, 'Cedar', 5)", "eff_twice"))
    assert again.data == {"changed": 1}
    assert attachment.look("SELECT count(*) FROM orders WHERE customer = 'Cedar'")[0][0] == 2


async def test_tables_can_be_made_and_rows_counted(attachment: Attachment) -> None:
    tool = attachment.tools(write=True)["sql.execute"]
    await tool.call(call_of("CREATE TABLE notes (id INTEGER, note VARCHAR(20))", "eff_a"))
    made = await tool.call(call_of("UPDATE orders SET total = total + 1", "eff_b"))
    assert made.data == {"changed": 3}
    assert attachment.look("SELECT count(*) FROM notes")[0][0] == 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO nothing VALUES (1)",
        "COMMIT",
        "ROLLBACK",
        "INSERT INTO orders VALUES (9, 'x', 1); COMMIT",
        "SELECT 1",
        "",
        "ATTACH DATABASE '/tmp/other.db' AS other",
    ],
)
async def test_a_write_that_fails_leaves_nothing(attachment: Attachment, statement: str) -> None:
    tool = attachment.tools(write=True)["sql.execute"]
    call = call_of(statement, "eff_fails")
    arguments = {**call.arguments, "statement": statement}
    call = ToolCall(
        key="eff_fails", task="t", worker="w", arguments=arguments, folder=Path("/nowhere")
    )
    with pytest.raises(ToolFailed):
        await tool.call(call)
    assert isinstance(await tool.reconcile(call), NeverHappened)
    assert attachment.look("SELECT count(*) FROM orders")[0][0] == 3


async def test_what_is_not_granted_is_no_tool(attachment: Attachment) -> None:
    assert "sql.execute" not in attachment.tools()
    outcome = await query(attachment.tools(write=True), "SELECT 1 AS one")
    assert outcome.data["rows"] == [[1]]
    with pytest.raises(ToolFailed):
        await query(attachment.tools(write=True), "DELETE FROM orders")


async def test_a_child_that_is_killed_has_changed_nothing_or_all(attachment: Attachment) -> None:
    """Killed in the middle, for real; what the database then knows is what happened."""
    tool = attachment.tools(write=True, seconds=30.0)["sql.execute"]
    slow = (
        "INSERT INTO orders SELECT 100, 'slow', 1 FROM"
        " (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000000)"
        " SELECT count(*) FROM n) AS counted"
    )
    call = call_of(slow, "eff_killed")
    before = _children()

    async def kill() -> None:
        while not (new := _children() - before):  # noqa: ASYNC110 - nobody tells of a child
            await anyio.sleep(0.05)
        await anyio.sleep(0.7)
        for child in new:
            os.kill(child, signal.SIGKILL)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kill)
        with pytest.raises((ToolFailed, OutcomeUnknown)):
            await tool.call(call)
    assert isinstance(await tool.reconcile(call), NeverHappened)
    assert attachment.look("SELECT count(*) FROM orders")[0][0] == 3


def _children() -> set[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in listed.split()}


async def test_a_mighty_role_is_not_used(postgres_socket: Path) -> None:
    url = f"postgresql://basket@/postgres?host={postgres_socket}"
    tools = Attachment({"kind": "postgresql", "url": url}, lambda _: []).tools()
    with pytest.raises(ToolFailed, match="files or programs") as caught:
        await query(tools, "SELECT 1")
    assert "role of its own" in caught.value.hint


async def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    for table in (
        {"kind": "sqlite", "path": str(tmp_path / "none.db")},
        {"kind": "duckdb", "path": str(tmp_path / "none.duckdb")},
        {"kind": "postgresql", "url": f"postgresql://x@/x?host={tmp_path}"},
    ):
        with pytest.raises(ToolFailed, match="says"):
            await query(Attachment(table, lambda _: []).tools(), "SELECT 1")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - to look is no task of the loop


async def test_a_text_that_is_no_text_is_shown(sqlite_only: Attachment) -> None:
    outcome = await query(
        sqlite_only.tools(),
        "SELECT CAST(x'fffe41' AS TEXT), x'0102', 9007199254740993, 1e999, NULL, 'a\nb'",
    )
    assert outcome.data["rows"][0][1:] == ["[2 bytes]", "9007199254740993", "inf", None, "a\nb"]
    assert "\n" not in outcome.text.splitlines()[1]


def test_the_server_stays_free_of_the_drivers() -> None:
    """The family costs the server no driver: those are the child's."""
    program = (
        "import sys, json; from pathlib import Path;"
        " from secondbasket.apps.tools import sql; from secondbasket.apps.tools.ground import *;"
        " sql.create(ToolGround(session=None, settings={'databases': {'a':"
        " {'kind': 'duckdb', 'path': '/a'}}}, programs=Path('/')));"
        " print(json.dumps([n for n in ('duckdb', 'psycopg', 'jsonschema') if n in sys.modules]))"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert json.loads(told.stdout) == []
