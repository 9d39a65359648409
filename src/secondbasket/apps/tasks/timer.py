"""Schedules of workers: each time that is due becomes one task, however often the process died."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import anyio

from secondbasket.apps.tasks.board import Board
from secondbasket.apps.workers.roster import Listed, Roster
from secondbasket.core.clock import parse, timestamp
from secondbasket.core.key import Key
from secondbasket.core.task import Order
from secondbasket.core.worker import Schedule
from secondbasket.errors import BasketError, Conflict

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 10.0
# What was missed while nothing ran is made up for, once, within this time.
_MADE_UP = timedelta(hours=24)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Timer:
    """Adds the tasks of workers' schedules as they fall due, for `owner`. `now` tells the time."""

    def __init__(
        self,
        board: Board,
        roster: Roster,
        *,
        owner: Callable[[], Awaitable[Key]],
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._board = board
        self._roster = roster
        self._owner = owner
        self._now = now
        self._told: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except BasketError as error:
                _log.error("schedules of workers wait: %s", error)
            await anyio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Add what is due now. Raises StoreError."""
        now = self._now()
        for listed in await anyio.to_thread.run_sync(self._roster.all):
            schedules = () if listed.worker is None else listed.worker.schedules
            for number, schedule in enumerate(schedules):
                due = last_due(schedule, now)
                if due > max(_since(listed), now - _MADE_UP):
                    await self._add(listed.name, number, schedule, timestamp(due))

    async def _add(self, worker: str, number: int, schedule: Schedule, due: str) -> None:
        # Its key is the same whoever adds it and whenever: the board keeps one task of it.
        key = f"schedule {worker} {number} {due}"
        if key in self._told:
            return
        order = Order(text=schedule.task, worker=worker, key=key)
        try:
            await self._board.add(await self._owner(), order)
        except Conflict:
            pass  # added already, and its worker's file says something else since
        finally:
            self._told.add(key)


def last_due(schedule: Schedule, now: datetime) -> datetime:
    """The last moment up to `now` that `schedule` names, in UTC."""
    from croniter import croniter  # noqa: PLC0415 - with a schedule

    local = now.astimezone(ZoneInfo(schedule.time_zone))
    # From a moment later, so that a moment that is now counts.
    times = croniter(schedule.cron, local + timedelta(seconds=1))
    due: datetime = times.get_prev(datetime)
    return due.astimezone(UTC)


def _since(listed: Listed) -> datetime:
    """Before its file was there, nothing was due."""
    return parse(listed.since) if listed.since else datetime.max.replace(tzinfo=UTC)
