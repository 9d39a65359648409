"""Drills of the settings: run when due, once, and told about."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from secondbasket.core.drill import DrillPlan
from secondbasket.maas.drills.schedule import Schedule, Scheduled
from secondbasket.maas.drills.timetable import Clockwork, Interval
from secondbasket.stores.database import Database
from tests.integration.maas.drills.house import House, house

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 2, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def plan(name: str, *, cut: str = "law:US") -> DrillPlan:
    return DrillPlan(cuts=(cut,), basket="b", seconds=1, rate=10, schedule=name)


@asynccontextmanager
async def running(home: House, clock: Clock) -> AsyncIterator[Schedule]:
    schedule = Schedule(home.drills, now=clock, look_seconds=0.02)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(schedule.run)
        yield schedule
        tasks.cancel_scope.cancel()


async def ended(home: House, count: int) -> None:
    with anyio.fail_after(30):
        while len(await home.drills.rows()) < count or home.drills.running:  # noqa: ASYNC110 - the ledger tells no event
            await anyio.sleep(0.05)


NIGHTLY = Clockwork.parse("03:00", "UTC")


async def test_what_is_due_is_run_once_and_is_on_the_books(
    database: Database, tmp_path: Path
) -> None:
    clock = Clock()
    async with house(tmp_path, database) as home, running(home, clock) as schedule:
        schedule.follow({"nightly": Scheduled(plan("nightly"), NIGHTLY)})
        await anyio.sleep(0.2)
        assert home.drills.running is None
        clock.now += timedelta(minutes=1)
        await ended(home, 1)
        await anyio.sleep(0.2)
        (row,) = await home.drills.rows()
        assert (row.schedule, row.basket, row.outcome) == ("nightly", "b", "passed")
        assert home.drills.latest["b"] == row
        assert schedule.due()["nightly"] == datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


async def test_two_that_are_due_at_once_run_one_after_the_other(
    database: Database, tmp_path: Path
) -> None:
    clock = Clock()
    async with house(tmp_path, database) as home, running(home, clock) as schedule:
        by_hand = home.drills.start(plan(""))
        schedule.follow({name: Scheduled(plan(name), NIGHTLY) for name in ("one", "two")})
        clock.now += timedelta(minutes=1)
        await ended(home, 3)
        assert by_hand.ended
        assert {row.schedule for row in await home.drills.rows()} == {"", "one", "two"}


async def test_one_that_cannot_be_run_is_told_and_waits_for_its_next_time(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    async with house(tmp_path, database) as home, running(home, clock) as schedule:
        schedule.follow({"odd": Scheduled(plan("odd", cut="law:FR"), NIGHTLY)})
        clock.now += timedelta(minutes=1)
        with anyio.fail_after(10):
            while "'odd' of the settings was not run" not in caplog.text:  # noqa: ASYNC110 - a log tells no event
                await anyio.sleep(0.02)
        await anyio.sleep(0.1)
        assert caplog.text.count("was not run") == 1
        assert await home.drills.rows() == []


async def test_an_interval_goes_on_from_what_the_ledger_knows(
    database: Database, tmp_path: Path
) -> None:
    async with house(tmp_path, database) as home:
        first = home.drills.start(plan("often"))
        async for _ in first.follow():
            pass
        home.drills.last_scheduled.clear()
        await home.drills.load()
        (row,) = await home.drills.rows()
        schedule = Schedule(home.drills)
        schedule.follow({"often": Scheduled(plan("often"), Interval(hours=2))})
        last = datetime.fromisoformat(row.at)
        assert schedule.due()["often"] == last + timedelta(hours=2)


async def test_settings_that_are_read_again_leave_what_did_not_change_due_when_it_was(
    database: Database, tmp_path: Path
) -> None:
    clock = Clock()
    async with house(tmp_path, database) as home:
        schedule = Schedule(home.drills, now=clock)
        often = Scheduled(plan("often"), Interval(hours=1))
        schedule.follow({"often": often})
        due = schedule.due()["often"]
        clock.now += timedelta(minutes=30)
        schedule.follow({"often": often, "new": Scheduled(plan("new"), NIGHTLY)})
        assert schedule.due()["often"] == due
        schedule.follow({"often": Scheduled(plan("often"), Interval(hours=3))})
        assert schedule.due() == {"often": clock.now + timedelta(hours=3)}
