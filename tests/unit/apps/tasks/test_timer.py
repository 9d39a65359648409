"""When a worker's schedule was last due, in its own time zone."""

from datetime import UTC, datetime

import pytest

from secondbasket.apps.tasks.timer import last_due
from secondbasket.core.worker import Schedule


@pytest.mark.parametrize(
    ("cron", "zone", "now", "due"),
    [
        ("0 22 * * *", "UTC", "2026-11-25T21:59:59", "2026-11-24T22:00:00"),
        ("0 22 * * *", "UTC", "2026-11-25T22:00:00", "2026-11-25T22:00:00"),
        ("0 22 * * *", "Europe/Berlin", "2026-11-25T20:59:00", "2026-11-24T21:00:00"),
        ("0 22 * * *", "Europe/Berlin", "2026-11-25T21:00:00", "2026-11-25T21:00:00"),
        ("0 22 * * *", "Europe/Berlin", "2026-07-01T20:00:00", "2026-07-01T20:00:00"),
        ("0 22 * * 1-5", "UTC", "2026-11-29T12:00:00", "2026-11-27T22:00:00"),
        ("*/15 * * * *", "Asia/Kolkata", "2026-11-25T10:07:00", "2026-11-25T10:00:00"),
    ],
)
def test_the_last_moment_that_was_due(cron: str, zone: str, now: str, due: str) -> None:
    schedule = Schedule(cron=cron, task="t", time_zone=zone)
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert last_due(schedule, moment) == datetime.fromisoformat(due).replace(tzinfo=UTC)
