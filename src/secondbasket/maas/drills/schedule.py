"""Drills that are run by themselves, as the settings say."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import anyio
import msgspec

from secondbasket.core.clock import parse
from secondbasket.core.drill import DrillPlan
from secondbasket.errors import BasketError, Conflict
from secondbasket.maas.drills.drills import Drills
from secondbasket.maas.drills.timetable import Timetable

_log = logging.getLogger(__name__)

# The clock of the wall may be set, and the settings read again: look this often.
_LOOK_SECONDS = 5.0


class Scheduled(msgspec.Struct, frozen=True):
    """A drill of the settings; its plan has the name in it. Never live."""

    plan: DrillPlan
    timetable: Timetable


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Schedule:
    """Starts what is due, one after the other, while `run` runs. `now` tells the time."""

    def __init__(
        self,
        drills: Drills,
        *,
        now: Callable[[], datetime] = _utc_now,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._drills = drills
        self._now = now
        self._look_seconds = look_seconds
        self._scheduled: Mapping[str, Scheduled] = {}
        self._due: dict[str, datetime] = {}

    def follow(self, scheduled: Mapping[str, Scheduled]) -> None:
        """Run these from now on, by name; what is as it was stays due when it was."""
        before, self._scheduled = self._scheduled, scheduled
        now = self._now()
        self._due = {
            name: self._due[name]
            if name in self._due and before.get(name) == each
            else each.timetable.next(now, self._last(name))
            for name, each in scheduled.items()
        }

    def due(self) -> Mapping[str, datetime]:
        """When each is run next."""
        return dict(self._due)

    async def run(self) -> None:
        """Until cancelled. Intervals go on from the last time that the ledger knows."""
        while True:
            for name in sorted(self._due, key=lambda each: self._due[each]):
                if name in self._due and self._due[name] <= self._now():
                    await self._start(name)
            await anyio.sleep(self._look_seconds)

    def _last(self, name: str) -> datetime | None:
        row = self._drills.last_scheduled.get(name)
        return None if row is None else parse(row.at)

    async def _start(self, name: str) -> None:
        each = self._scheduled[name]
        try:
            running = self._drills.start(each.plan)
        except Conflict:
            return  # another is running: at the next look
        except BasketError as error:
            # As it stands it cannot be run: said once each time that it is due.
            _log.error("the drill '%s' of the settings was not run: %s", name, error)
        else:
            async for _ in running.follow():
                pass
            if running.error is not None:
                _log.error("the drill '%s' was broken off: %s", name, running.error)
            elif running.report is not None and not running.report["passed"]:
                _log.warning("the drill '%s' was not passed: see %s", name, running.papers.page)
        if name in self._due:  # the settings may have been read again meanwhile
            now = self._now()
            self._due[name] = self._scheduled[name].timetable.next(now, now)
