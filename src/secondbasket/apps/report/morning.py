"""The morning report: made of tasks, effects and approvals as they are written down."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from secondbasket.apps.tasks.approvals import Approvals
from secondbasket.apps.tasks.effects import Effects
from secondbasket.apps.tasks.records import TaskRecords
from secondbasket.core.clock import now, timestamp
from secondbasket.core.key import Key
from secondbasket.core.report import Line, MorningReport
from secondbasket.core.task import ENDED, Task

_MOST_TASKS = 1000
_MILLISECONDS = 60_000


class Reporter:
    """`folder_of` is where a task's own files lie, `currency` that of every cost."""

    def __init__(
        self,
        records: TaskRecords,
        effects: Effects,
        approvals: Approvals,
        *,
        folder_of: Callable[[str], Path],
        currency: str,
    ) -> None:
        self._records = records
        self._effects = effects
        self._approvals = approvals
        self._folder_of = folder_of
        self._currency = currency

    async def morning(self, key: Key, *, since: str = "", until: str = "") -> MorningReport:
        """What this key's tasks came to; an administrator's report is of all. Without `since`, of
        the last 24 hours. Raises StoreError."""
        until = until or now()
        since = since or timestamp(datetime.now(UTC) - timedelta(hours=24))
        owner = None if key.role == "admin" else key.id
        ended = await self._records.ended_between(since, until, owner=owner, limit=_MOST_TASKS)
        left = [
            task
            for task in await self._records.latest(owner=owner, limit=_MOST_TASKS)
            if task.state not in ENDED
        ]
        lines = [await self._line(task) for task in ended]
        ids = {task.id for task in left}
        return MorningReport(
            since=since,
            until=until,
            currency=self._currency,
            done=[line for line in lines if line.task.state == "done"],
            failed=[line for line in lines if line.task.state != "done"],
            waiting=[a for a in await self._approvals.listed(open_only=True) if a.task in ids],
            uncertain=[e for e in await self._effects.uncertain() if e.task in ids],
            next=[task for task in left if task.state != "waiting"],
            cost=sum(line.task.cost for line in lines),
            minutes=round(sum(line.minutes for line in lines), 2),
            input_tokens=sum(line.task.input_tokens for line in lines),
            output_tokens=sum(line.task.output_tokens for line in lines),
        )

    async def _line(self, task: Task) -> Line:
        log = await self._records.log(task.id)
        effects = await self._effects.of(task.id)
        folder = self._folder_of(task.id)
        return Line(
            task=task,
            minutes=round(sum(each.duration_ms for each in log) / _MILLISECONDS, 2),
            changed=_changed([e.tool for e in effects if e.state == "done" and e.effect != "read"]),
            deliverables=[str(folder / name) for name in task.deliverables],
        )


def _changed(tools: Sequence[str]) -> list[str]:
    """'files.write' three times → 'files.write × 3'."""
    return [
        tool if tools.count(tool) == 1 else f"{tool} × {tools.count(tool)}"
        for tool in dict.fromkeys(tools)
    ]
