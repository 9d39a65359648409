"""Builds what workers need: their tools, the board, and the shift that works on tasks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from secondbasket.apps.report.morning import Reporter
from secondbasket.apps.tasks.approvals import Approvals
from secondbasket.apps.tasks.board import Board
from secondbasket.apps.tasks.crew import Crew
from secondbasket.apps.tasks.effects import Effects
from secondbasket.apps.tasks.hands import Hands
from secondbasket.apps.tasks.mind import Mind
from secondbasket.apps.tasks.records import TaskRecords
from secondbasket.apps.tasks.shift import Shift
from secondbasket.apps.tasks.team import Team
from secondbasket.apps.tools.belt import Belt
from secondbasket.apps.workers.roster import Roster
from secondbasket.core.decision import Decision
from secondbasket.core.ids import new_id
from secondbasket.core.key import Key
from secondbasket.maas.gateway import Gateway
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home

if TYPE_CHECKING:
    from secondbasket.apps.tasks.durable import Durable


@dataclass(frozen=True, kw_only=True)
class Office:
    """Where work is handed over, and where it is done while `shift` runs."""

    roster: Roster
    team: Team
    board: Board
    reporter: Reporter
    shift: Shift


def durable_url(database: str | None, home: Home) -> str:
    """Where runs are kept: beside the ledger in PostgreSQL, otherwise in a file of its own, since
    two libraries that write to one SQLite file would wait for each other."""
    return database if database and not database.startswith("sqlite") else f"sqlite:///{home.runs}"


def open_office(
    *,
    database: Database,
    durable_url: str,
    home: Home,
    belt: Belt,
    gateway: Gateway,
    basket: str,
    key_of: Callable[[str], Key | None],
    record: Callable[[Decision], None],
    currency: str,
    at_once: int,
) -> Office:
    """`basket` answers for workers that name none; `durable_url` is where runs are kept."""
    records, effects, approvals = TaskRecords(database), Effects(database), Approvals(database)
    holder = new_id("shift")

    def folder_of(task: str) -> Path:
        return home.tasks / task

    crew = Crew(
        records,
        Mind(gateway, basket=basket, key_of=key_of),
        Hands(belt, effects, approvals, folder_of=folder_of),
        holder=holder,
        folder_of=folder_of,
        key_of=key_of,
    )

    def durable(run: Callable[[str, int], Awaitable[str]]) -> "Durable":
        # DBOS takes 20 MB and a quarter of a second: not before there is a task.
        from secondbasket.apps.tasks.durable import Durable  # noqa: PLC0415 - as told

        return Durable(durable_url, holder, run)

    shift = Shift(records, crew, durable, at_once=at_once)
    roster = Roster(home.workers, tools=lambda: [tool.facts.name for tool in belt.all()])
    team = Team(database, approvals, roster, tools=lambda: [tool.facts for tool in belt.all()])
    board = Board(
        records,
        effects,
        approvals,
        roster,
        folder_of=folder_of,
        nudge=shift.nudge,
        record=record,
        currency=currency,
    )
    reporter = Reporter(records, effects, approvals, folder_of=folder_of, currency=currency)
    return Office(roster=roster, team=team, board=board, reporter=reporter, shift=shift)
