"""The team: who there is to hand work to, what each is on, what came of it, what they earned."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import anyio
import msgspec
from sqlalchemy import Connection, func, select

from secondbasket.apps.tasks.approvals import Approvals
from secondbasket.apps.tasks.rights import autonomy_for, free, needed, streak
from secondbasket.apps.workers.roster import Listed, Roster
from secondbasket.core.key import Key
from secondbasket.core.task import Task, TaskState
from secondbasket.core.tool import ToolFacts
from secondbasket.core.worker import Worker
from secondbasket.stores.database import Database
from secondbasket.stores.schema import tasks

_MOST_ON = 20


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker may do with a tool by itself, and how far it is from more.

    `autonomy` is 'free' for what changes nothing outside the task, otherwise
    what the worker's file says. `accepted` and `rejected` count people's
    answers, `streak` the latest yeses in a row, `needed` how many earn it.
    """

    tool: str
    autonomy: str
    accepted: int = 0
    rejected: int = 0
    streak: int = 0
    needed: int = 0

    @property
    def told(self) -> str:
        """In words: whether it asks."""
        if self.autonomy in ("free", "act"):
            return "acts alone"
        if self.autonomy == "ask":
            return "always asks"
        if self.streak >= self.needed:
            return "has earned to act alone"
        return f"asks: {self.streak} of the {self.needed} accepted calls in a row that it needs"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One of the team, as its reader may see it: `counts` of tasks by state, their `cost` in
    nano-units, the tasks it is `on` now."""

    listed: Listed
    trusts: Sequence[Trust] = ()
    counts: Mapping[TaskState, int] = {}
    cost: int = 0
    on: Sequence[Task] = ()


class Team:
    """`tools` tells every tool there is."""

    def __init__(
        self,
        database: Database,
        approvals: Approvals,
        roster: Roster,
        *,
        tools: Callable[[], Sequence[ToolFacts]],
    ) -> None:
        self._database = database
        self._approvals = approvals
        self._roster = roster
        self._tools = tools

    async def members(self, key: Key, under_way: Sequence[Task]) -> Sequence[Member]:
        """Everybody by name, with the tasks of this key; an administrator's are all.

        `under_way` are the key's tasks that somebody is on. Raises StoreError.
        """
        listed = await anyio.to_thread.run_sync(self._roster.all)
        owner = None if key.role == "admin" else key.id
        sums = await self._database.read(lambda c: _sums(c, owner))
        return [
            Member(
                listed=each,
                trusts=await self._trusts(each.worker) if each.worker else (),
                counts=sums.get(each.name, ({}, 0))[0],
                cost=sums.get(each.name, ({}, 0))[1],
                on=[task for task in under_way if task.worker == each.name][:_MOST_ON],
            )
            for each in listed
        ]

    async def _trusts(self, worker: Worker) -> list[Trust]:
        facts = {each.name: each for each in self._tools()}
        return [await self._trust(worker, facts[name]) for name in worker.tools if name in facts]

    async def _trust(self, worker: Worker, facts: ToolFacts) -> Trust:
        if free(facts):
            return Trust(tool=facts.name, autonomy="free")
        history = await self._approvals.history(worker.name, facts.name)
        return Trust(
            tool=facts.name,
            autonomy=autonomy_for(worker, facts.name),
            accepted=sum(history),
            rejected=len(history) - sum(history),
            streak=streak(history),
            needed=needed(history),
        )


def _sums(connection: Connection, owner: str | None) -> dict[str, tuple[dict[TaskState, int], int]]:
    """By worker: how many tasks are in each state, and what they cost together."""
    query = select(tasks.c.worker, tasks.c.state, func.count(), func.sum(tasks.c.cost)).group_by(
        tasks.c.worker, tasks.c.state
    )
    if owner is not None:
        query = query.where(tasks.c.owner == owner)
    counts: dict[str, dict[TaskState, int]] = defaultdict(dict)
    costs: dict[str, int] = defaultdict(int)
    for worker, state, number, cost in connection.execute(query):
        counts[worker][state] = number
        costs[worker] += int(cost)
    return {worker: (counts[worker], costs[worker]) for worker in counts}
