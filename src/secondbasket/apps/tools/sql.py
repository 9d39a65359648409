"""SQL on the databases that the settings attach: read-only, and where it is granted, writing.

Every call is a child process of its own, so that neither a driver nor a result
weighs on the server, and a statement that does not end is ended.
"""

import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import anyio
import msgspec

from secondbasket.apps.tools.databases.order import Answer
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.sql_options import Attached, attached
from secondbasket.core.ports import Tool
from secondbasket.core.tool import Citation, NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.errors import OutcomeUnknown, ToolFailed

_COMMAND = (sys.executable, "-I", "-m", "secondbasket.apps.tools.databases.child")
_AFTER_SECONDS = 10.0
_LONGEST_STATEMENT = 20_000

_COLUMNS = """
SELECT table_schema || '.' || table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema NOT IN ('information_schema', 'pg_catalog')
ORDER BY table_schema, table_name, ordinal_position
"""
_TABLES = {
    "sqlite": """
SELECT m.name, c.name, c.type FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid
""",
    "duckdb": _COLUMNS,
    "postgresql": _COLUMNS,
}


class _SqlTool:
    """What the family's tools share: their databases, by name."""

    def __init__(self, databases: Mapping[str, Attached], seconds: float) -> None:
        self._databases = databases
        self._seconds = seconds

    def _database(self, call: ToolCall) -> Attached:
        return self._databases[call.arguments["database"]]

    def _facts(self, name: str, description: str, **more: Any) -> ToolFacts:
        properties = {
            "database": {"type": "string", "enum": list(self._databases)},
            **more.pop("properties", {}),
        }
        told = "; ".join(
            f"'{each.name}' is {each.order.kind}"
            + (f": {each.description}" * bool(each.description))
            for each in self._databases.values()
        )
        return ToolFacts(
            name=name,
            description=f"{description} Databases: {told}.",
            parameters={
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            },
            data_class=min(each.data_class for each in self._databases.values()),
            from_outside=True,
            limit_seconds=2 * (self._seconds + _AFTER_SECONDS),
            **more,
        )

    async def _ask(self, database: Attached, **order: Any) -> Answer:
        """Raises ToolFailed for what the database refuses, OutcomeUnknown where it broke off."""
        told = msgspec.structs.replace(database.order, **order)
        try:
            with anyio.fail_after(self._seconds + _AFTER_SECONDS):
                child = await anyio.run_process(
                    _COMMAND,
                    input=msgspec.json.encode(told),
                    check=False,
                    env={},
                    start_new_session=True,  # Ctrl-C is for the server
                )
            answer = msgspec.json.decode(child.stdout, type=Answer)
        except (TimeoutError, msgspec.DecodeError) as exc:
            raise OutcomeUnknown(
                f"'{database.name}' took longer than {self._seconds:g} s, or more memory than"
                " it may.",
                hint="Ask for less of it.",
            ) from exc
        if answer.error:
            raise ToolFailed(answer.error, hint=answer.hint)
        return answer


class ListTables(_SqlTool):
    """`sql.tables`: what a query can be about."""

    def __init__(self, databases: Mapping[str, Attached], seconds: float) -> None:
        super().__init__(databases, seconds)
        self.facts = self._facts(
            "sql.tables", "List the tables of a database, with their columns.", effect="read"
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        database = self._database(call)
        answer = await self._ask(
            database, ask="query", statement=_TABLES[database.order.kind], rows=2000
        )
        tables = {
            name: [f"{column} {kind}".strip() for _, column, kind in rows]
            for name, rows in groupby(answer.rows, key=lambda row: row[0])
        }
        lines = [f"{name}({', '.join(columns)})" for name, columns in tables.items()]
        return ToolOutcome(
            text="\n".join([*lines, "[cut: there are more]" * answer.cut]).strip() or "No tables.",
            data={"tables": tables, "cut": answer.cut},
            data_class=database.data_class,
        )

    async def reconcile(self, call: ToolCall) -> NeverHappened:  # noqa: ARG002 - the port's
        return NeverHappened()


class Query(_SqlTool):
    """`sql.query`: one statement that reads. The database itself holds it to that."""

    def __init__(self, databases: Mapping[str, Attached], seconds: float, rows: int) -> None:
        super().__init__(databases, seconds)
        self.facts = self._facts(
            "sql.query",
            f"Read from a database with one SQL statement, at most {rows} rows.",
            properties={"statement": {"type": "string", "minLength": 1}},
            effect="read",
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        database, statement = self._database(call), _statement(call)
        answer = await self._ask(database, ask="query", statement=statement)
        count = f"{len(answer.rows)} row{'s' * (len(answer.rows) != 1)}"
        return ToolOutcome(
            text=f"{_as_table(answer)}\n[{'cut after ' * answer.cut}{count}]",
            data={
                "columns": list(answer.columns),
                "rows": [list(row) for row in answer.rows],
                "cut": answer.cut,
            },
            data_class=database.data_class,
            citations=(Citation(source=database.name, place=count, text=statement[:500]),),
        )

    async def reconcile(self, call: ToolCall) -> NeverHappened:  # noqa: ARG002 - the port's
        return NeverHappened()


class Execute(_SqlTool):
    """`sql.execute`: one statement that writes, in one transaction with the key of its call."""

    def __init__(self, databases: Mapping[str, Attached], seconds: float) -> None:
        super().__init__(databases, seconds)
        self.facts = self._facts(
            "sql.execute",
            "Change a database with one SQL statement, all of it or nothing.",
            properties={"statement": {"type": "string", "minLength": 1}},
            effect="write",
            takes_key=True,
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        database, statement = self._database(call), _statement(call)
        try:
            answer = await self._ask(database, ask="execute", statement=statement, key=call.key)
        except OutcomeUnknown:
            came = await self.reconcile(call)
            if isinstance(came, ToolOutcome):
                return came
            raise ToolFailed(
                f"'{database.name}' took too long; nothing was changed.",
                hint="Change less at once.",
            ) from None
        return _changed(database, answer)

    async def reconcile(self, call: ToolCall) -> ToolOutcome | NeverHappened:
        """The key stands in the database if and only if the statement was carried out.

        Raises ToolFailed or OutcomeUnknown where the database cannot be asked.
        """
        database = self._database(call)
        try:
            answer = await self._ask(database, ask="seen", key=call.key)
        except ToolFailed as exc:
            raise OutcomeUnknown(exc.message, hint=exc.hint) from exc
        return NeverHappened() if answer.changed is None else _changed(database, answer)


def create(ground: ToolGround) -> Sequence[Tool]:
    """The family: no tools where no database is attached. Raises SettingsError."""
    options, databases = attached(ground)
    if not databases:
        return ()
    tools: list[Tool] = [
        ListTables(databases, options.seconds),
        Query(databases, options.seconds, options.rows),
    ]
    writable = {name: each for name, each in databases.items() if each.write}
    if writable:
        tools.append(Execute(writable, options.seconds))
    return tools


def _statement(call: ToolCall) -> str:
    statement: str = call.arguments["statement"]
    if len(statement) > _LONGEST_STATEMENT or "\0" in statement:
        raise ToolFailed(
            f"The statement is longer than {_LONGEST_STATEMENT} characters, or has NUL in it.",
            hint="Write a shorter one.",
        )
    return statement


def _changed(database: Attached, answer: Answer) -> ToolOutcome:
    counted = answer.changed is not None and answer.changed >= 0
    rows = f"{answer.changed} rows were changed" if counted else "Done"
    return ToolOutcome(
        text=f"{rows} in '{database.name}'.",
        data={"changed": answer.changed if counted else None},
        data_class=database.data_class,
    )


def _as_table(answer: Answer) -> str:
    """For a model: a line of names, then a line for each row."""
    lines = [answer.columns, *answer.rows]
    return "\n".join(
        " | ".join("" if cell is None else " ".join(str(cell).split()) for cell in line)
        for line in lines
    )
