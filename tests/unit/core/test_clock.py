from datetime import UTC, datetime, timedelta, timezone

import pytest

from secondbasket.core.clock import now, parse, timestamp


def test_moments_have_one_form_whatever_their_zone_and_fraction() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    assert timestamp(datetime(2026, 11, 22, 4, 30, tzinfo=there)) == "2026-11-21T23:00:00.000Z"
    odd = datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC)
    assert timestamp(odd) == "2026-01-02T03:04:05.678Z"
    assert timestamp(parse(now())) <= now()


def test_text_order_is_time_order() -> None:
    start = datetime(2026, 12, 31, 23, 59, 59, 998_000, tzinfo=UTC)
    moments = [start + timedelta(milliseconds=each) for each in range(5)]
    told = [timestamp(moment) for moment in moments]
    assert told == sorted(told)
    assert [parse(each) for each in told] == moments


@pytest.mark.parametrize("text", ["2026-11-22T10:00:00", "2026-11-22", "noon", ""])
def test_a_moment_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time zone|isoformat"):
        parse(text)
    with pytest.raises(ValueError, match="time zone"):
        timestamp(datetime(2026, 11, 22, 10, 0))  # noqa: DTZ001 (a naive one is the point)
