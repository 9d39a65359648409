"""A whole shift for tests: a real database, real DBOS, tools that leave traces in files."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import jsonschema

from secondbasket.apps.tasks.approvals import Approvals
from secondbasket.apps.tasks.board import Board
from secondbasket.apps.tasks.crew import Crew
from secondbasket.apps.tasks.durable import Durable
from secondbasket.apps.tasks.effects import Effects
from secondbasket.apps.tasks.halts import Halt
from secondbasket.apps.tasks.hands import Hands
from secondbasket.apps.tasks.mind import fitting
from secondbasket.apps.tasks.moves import Ask
from secondbasket.apps.tasks.records import TaskRecords
from secondbasket.apps.tasks.shift import Shift
from secondbasket.apps.workers.roster import Roster
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.ids import new_id
from secondbasket.core.key import Key
from secondbasket.core.ports import Tool
from secondbasket.core.task import Turned
from secondbasket.core.tool import NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.errors import InvalidRequest, NotFound, ToolFailed
from secondbasket.stores.database import Database

ADMIN = Key(
    id="key_admin", name="admin", role="admin", budget=None, currency="USD", created_at="2026"
)
USER = Key(id="key_user", name="user", role="user", budget=None, currency="USD", created_at="2026")
STRANGER = Key(
    id="key_other", name="other", role="user", budget=None, currency="USD", created_at="2026"
)


class Trace:
    """A tool that adds a line to a file outside, as mail or money would go out.

    `knows`: asked after a crash, it looks whether its line is there.
    """

    def __init__(self, name: str, file: Path, *, knows: bool = True, **facts: Any) -> None:
        self.facts = ToolFacts(
            **{
                "name": name,
                "description": "Leave a trace.",
                "parameters": {
                    "type": "object",
                    "properties": {"text": {"type": "string"}},
                    "required": ["text"],
                    "additionalProperties": False,
                },
                "effect": "external",
                **facts,
            }
        )
        self._file = file
        self._knows = knows
        self.entered = anyio.Event()
        self.classes: list[DataClass] = []
        self.go_on: anyio.Event | None = None

    async def call(self, call: ToolCall) -> ToolOutcome:
        self.classes.append(call.data_class)
        if call.arguments["text"] == "fail":
            raise ToolFailed("It says no.")
        with self._file.open("a") as file:
            file.write(f"{call.key} {call.arguments['text']}\n")
        self.entered.set()
        if self.go_on is not None:
            await self.go_on.wait()
        return ToolOutcome(text=f"left {call.arguments['text']}", data=call.arguments["text"])

    async def reconcile(self, call: ToolCall) -> ToolOutcome | NeverHappened | None:
        if not self._knows:
            return None
        if self._file.exists() and call.key in self._file.read_text():
            return ToolOutcome(text="it was left before the crash")
        return NeverHappened()


class TestBelt:
    __test__ = False

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.facts.name: tool for tool in tools}

    def names(self) -> list[str]:
        return sorted(self._tools)

    def find(self, name: str) -> Tool:
        if name not in self._tools:
            raise NotFound(f"There is no tool '{name}'.")
        return self._tools[name]

    def check(self, tool: Tool, arguments: Mapping[str, Any]) -> None:
        try:
            jsonschema.validate(arguments, tool.facts.parameters)
        except jsonschema.ValidationError as exc:
            raise InvalidRequest(exc.message) from exc


class ScriptedMind:
    """Says what it was given, one text after the other; an exception's place takes a Halt."""

    def __init__(self, texts: Sequence[str | Halt]) -> None:
        self._texts = list(texts)
        self.asked: list[Ask] = []

    async def turn(
        self, wanted: Ask, *, owner: str, basket: str, data_class: DataClass
    ) -> Turned | Halt:
        self.asked.append(wanted)
        text = self._texts.pop(0)
        if isinstance(text, Halt):
            return text
        data, error = (None, "") if wanted.schema is None else fitting(text, wanted.schema)
        return Turned(
            step=wanted.step,
            item=wanted.item,
            purpose=wanted.purpose,
            text=text,
            data=data,
            error=error,
            input_tokens=10,
            output_tokens=5,
            cost=7,
        )


@dataclass
class Office:
    board: Board
    shift: Shift
    records: TaskRecords
    effects: Effects
    approvals: Approvals
    mind: ScriptedMind
    roster: Roster
    decisions: list[Decision] = field(default_factory=list)


def durable_url(database: Database, home: Path) -> str:
    if database.is_sqlite:
        return f"sqlite:///{home}/dbos.sqlite"
    return database._url.set(drivername="postgresql").render_as_string(hide_password=False)


@asynccontextmanager
async def office(
    database: Database,
    home: Path,
    tools: Sequence[Tool],
    *,
    texts: Sequence[str | Halt] = (),
    workers: Mapping[str, str] | None = None,
    working: bool = True,
    keys: Mapping[str, Key] = MappingProxyType({each.id: each for each in (ADMIN, USER)}),
) -> AsyncIterator[Office]:
    """Workers' files are written into the home; with `working` their shift has begun."""
    folder = home / "workers"
    folder.mkdir(exist_ok=True)
    for name, text in (workers or {}).items():
        (folder / f"{name}.md").write_text(text)
    records, effects, approvals = TaskRecords(database), Effects(database), Approvals(database)
    belt, mind, holder = TestBelt(tools), ScriptedMind(texts), new_id("shift")

    def folder_of(task: str) -> Path:
        return home / "tasks" / task

    crew = Crew(
        records,
        mind,  # type: ignore[arg-type]  # scripted, and of the same shape
        Hands(belt, effects, approvals, folder_of=folder_of),
        holder=holder,
        folder_of=folder_of,
        key_of=keys.get,
    )
    url = durable_url(database, home)
    shift = Shift(records, crew, lambda run: Durable(url, holder, run), lease_seconds=2.0)
    decisions: list[Decision] = []
    roster = Roster(folder, tools=belt.names)
    board = Board(
        records,
        effects,
        approvals,
        roster,
        folder_of=folder_of,
        nudge=shift.nudge,
        record=decisions.append,
        currency="USD",
    )
    async with anyio.create_task_group() as tasks:
        if working:
            await tasks.start(shift.run)
        yield Office(board, shift, records, effects, approvals, mind, roster, decisions)
        tasks.cancel_scope.cancel()
