"""The tools' contract, over every built-in one: real files, databases, servers and sandboxes."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from secondbasket.apps.tools import calculator, files, http, sandbox, sql
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.core.ports import Tool
from secondbasket.testing.tools import ToolCase, ToolContract
from tests.grounds import no_session, open_door, web
from tests.sandboxes import needs_sandbox

PATHS_WRONG: tuple[dict[str, Any], ...] = ({}, {"path": 3}, {"path": "a", "pth": "b"})


def ground(settings: dict[str, Any], folder: Path) -> ToolGround:
    return ToolGround(session=no_session, settings=settings, programs=folder)


def pick(tools: Any, name: str) -> Tool:
    found: Tool = next(tool for tool in tools if tool.facts.name == name)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks" / "tsk_1"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("Three orders came in.\n")
    return folder


class TestFilesList(ToolContract):
    @pytest.fixture
    def case(self, folder: Path) -> ToolCase:
        tool = pick(files.create(ground({}, folder)), "files.list")
        return ToolCase(tool=tool, folder=folder, fits={}, wrong=({"path": "a"},))


class TestFilesRead(ToolContract):
    @pytest.fixture
    def case(self, folder: Path) -> ToolCase:
        return ToolCase(
            tool=pick(files.create(ground({}, folder)), "files.read"),
            folder=folder,
            fits={"path": "notes.txt"},
            wrong=(*PATHS_WRONG, {"path": "notes.txt", "offset": -1}),
            failing=({"path": "none.txt"}, {"path": "../../x"}, {"path": "/etc/passwd"}),
        )


class TestFilesWrite(ToolContract):
    @pytest.fixture
    def case(self, folder: Path) -> ToolCase:
        async def state() -> str:
            return (folder / "new" / "report.md").read_text()

        return ToolCase(
            tool=pick(files.create(ground({}, folder)), "files.write"),
            folder=folder,
            fits={"path": "new/report.md", "content": "# Report\n"},
            wrong=(*PATHS_WRONG, {"path": "a"}, {"path": "a", "content": None}),
            failing=({"path": "../a", "content": ""}, {"path": "notes.txt/a", "content": ""}),
            state=state,
        )


class TestFilesAppend(ToolContract):
    @pytest.fixture
    def case(self, folder: Path) -> ToolCase:
        async def state() -> str:
            return (folder / "notes.txt").read_text()

        return ToolCase(
            tool=pick(files.create(ground({}, folder)), "files.append"),
            folder=folder,
            fits={"path": "notes.txt", "content": "A fourth came in.\n"},
            wrong=(*PATHS_WRONG, {"path": "a"}),
            failing=({"path": "../a", "content": ""},),
            state=state,
        )


class TestCalculator(ToolContract):
    @pytest.fixture
    def case(self, folder: Path) -> ToolCase:
        return ToolCase(
            tool=pick(calculator.create(ground({}, folder)), "calculator"),
            folder=folder,
            fits={"expression": "19% of (1200 - 33.50)"},
            wrong=({}, {"expression": 3}, {"expression": ""}),
            failing=({"expression": "1 / 0"}, {"expression": "__import__('os')"}),
        )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "sales.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")
        connection.execute("INSERT INTO orders VALUES (1, 9.5), (2, 20)")
    connection.close()
    return path


class _Sql(ToolContract):
    name = ""

    def made(self, database: Path, folder: Path) -> Tool:
        table = {"kind": "sqlite", "path": str(database), "write": True}
        return pick(sql.create(ground({"databases": {"sales": table}}, folder)), self.name)


class TestSqlTables(_Sql):
    name = "sql.tables"

    @pytest.fixture
    def case(self, database: Path, folder: Path) -> ToolCase:
        return ToolCase(
            tool=self.made(database, folder),
            folder=folder,
            fits={"database": "sales"},
            wrong=({}, {"database": "other"}),
        )


class TestSqlQuery(_Sql):
    name = "sql.query"

    @pytest.fixture
    def case(self, database: Path, folder: Path) -> ToolCase:
        return ToolCase(
            tool=self.made(database, folder),
            folder=folder,
            fits={"database": "sales", "statement": "SELECT * FROM orders"},
            wrong=({"database": "sales"}, {"database": "other", "statement": "SELECT 1"}),
            failing=(
                {"database": "sales", "statement": "SELEC 1"},
                {"database": "sales", "statement": "DELETE FROM orders"},
            ),
        )


class TestSqlExecute(_Sql):
    name = "sql.execute"

    @pytest.fixture
    def case(self, database: Path, folder: Path) -> ToolCase:
        async def state() -> int:
            with sqlite3.connect(database) as connection:
                count: int = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
            connection.close()
            return count

        return ToolCase(
            tool=self.made(database, folder),
            folder=folder,
            fits={"database": "sales", "statement": "INSERT INTO orders (total) VALUES (3)"},
            wrong=({"database": "sales"},),
            failing=(
                {"database": "sales", "statement": "COMMIT"},
                {"database": "sales", "statement": "INSERT INTO nothing VALUES (1)"},
            ),
            state=state,
        )


class TestHttpGet(ToolContract):
    @pytest.fixture
    async def case(self, folder: Path) -> AsyncIterator[ToolCase]:
        async with web() as site, open_door(site.origin) as session:
            tools = http.create(
                ToolGround(session=session, settings={"allow": [site.origin]}, programs=folder)
            )
            yield ToolCase(
                tool=pick(tools, "http.get"),
                folder=folder,
                fits={"url": f"{site.origin}/page"},
                wrong=({}, {"url": 3}, {"url": "x", "headers": {}}),
                failing=({"url": "http://169.254.169.254/"}, {"url": "file:///etc/passwd"}),
            )


class TestHttpPost(ToolContract):
    @pytest.fixture
    async def case(self, folder: Path) -> AsyncIterator[ToolCase]:
        async with web() as site, open_door(site.origin) as session:
            settings = {"allow": [site.origin], "keyed": True}
            tools = http.create(ToolGround(session=session, settings=settings, programs=folder))

            async def state() -> object:
                return len(site.orders)

            yield ToolCase(
                tool=pick(tools, "http.post"),
                folder=folder,
                fits={"url": f"{site.origin}/orders", "body": {"item": 1}},
                wrong=({}, {"url": "x"}),
                failing=(
                    {"url": "http://127.0.0.1:1/", "body": 1},
                    {"url": f"{site.origin}/broken", "body": 1},
                ),
                state=state,
            )


class _Sandboxed(ToolContract):
    name = ""
    argument = ""
    program = ""

    @pytest.fixture
    def case(self, folder: Path) -> ToolCase:
        async def state() -> str:
            return (folder / "log.txt").read_text()

        return ToolCase(
            tool=pick(sandbox.create(ground({}, folder)), self.name),
            folder=folder,
            fits={self.argument: self.program},
            wrong=({}, {self.argument: 3}),
            failing=({self.argument: "\0"},),
            state=state,
        )


@needs_sandbox
class TestPythonRun(_Sandboxed):
    name = "python.run"
    argument = "code"
    program = "print(open('log.txt', 'a').write('once '))"


@needs_sandbox
class TestShellRun(_Sandboxed):
    name = "shell.run"
    argument = "command"
    program = "echo once >> log.txt; cat log.txt"
