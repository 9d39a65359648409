from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.maas.drills.timetable import DAYS, Clockwork, Interval

START = datetime(2026, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "zone", "after", "due"),
    [
        # 2026-11-24 is a Tuesday.
        ("03:00", "UTC", "2026-11-24T02:59", "2026-11-24T03:00"),
        ("03:00", "UTC", "2026-11-24T03:00", "2026-11-25T03:00"),
        ("Mon 03:00", "UTC", "2026-11-24T00:00", "2026-11-30T03:00"),
        ("Tue 03:00", "UTC", "2026-11-24T00:00", "2026-11-24T03:00"),
        ("Mon,Thu 23:59", "UTC", "2026-11-24T00:00", "2026-11-26T23:59"),
        ("Mon 00:30", "Europe/Berlin", "2026-11-24T00:00", "2026-11-29T23:30"),
        ("Tue 00:30", "Pacific/Auckland", "2026-11-24T00:00", "2026-11-30T11:30"),
        # Summer time begins in Berlin on 2027-03-28 at 02:00, and ends on 2026-10-25 at 03:00.
        ("02:30", "Europe/Berlin", "2027-03-28T00:00", "2027-03-28T01:30"),
        ("02:30", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30"),
        ("02:30", "Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"),
    ],
)
def test_the_next_time_in_a_zone(at: str, zone: str, after: str, due: str) -> None:
    assert Clockwork.parse(at, zone).next(utc(after), None) == utc(due)


@given(
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    st.integers(0, 4 * 365 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes)),
)
def test_it_is_later_and_within_a_week_and_an_hour(
    days: set[str], hour: int, minute: int, zone: str, after: datetime
) -> None:
    timetable = Clockwork.parse(f"{','.join(sorted(days))} {hour:02}:{minute:02}", zone)
    due = timetable.next(after, None)
    assert after < due <= after + timedelta(days=7, hours=1)


@pytest.mark.parametrize(
    "text",
    ["", "3:00", "24:00", "03:60", "Mon", "Mo 03:00", "Mon, Tue 03:00", "mon 03:00", "03:00 "],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no "):
        Clockwork.parse(text, "UTC")


def test_an_interval_counts_from_the_last_and_makes_up_for_what_was_missed_once() -> None:
    now = utc("2026-11-24T12:00")
    every = Interval(hours=6)
    assert every.next(now, None) == utc("2026-11-24T18:00")
    assert every.next(now, utc("2026-11-24T10:00")) == utc("2026-11-24T16:00")
    assert every.next(now, utc("2026-11-01T00:00")) == now
