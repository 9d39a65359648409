"""What the usage page makes of a query and of the ledger's rows."""

from datetime import UTC, datetime

import pytest

from secondbasket.core.usage import UsageRow
from secondbasket.server.console.usage import View, points, read_view, start, sum_of, totals

NOW = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)


def row(currency: str = "USD", **group: str) -> UsageRow:
    return UsageRow(
        **group,
        currency=currency,
        calls=1,
        input_tokens=10,
        output_tokens=5,
        cached_input_tokens=0,
        cost=7,
    )


@pytest.mark.parametrize(
    ("query", "view"),
    [
        ({}, View("7d", "day")),
        ({"period": "24h", "by": "hour"}, View("24h", "hour")),
        ({"period": "30d", "by": "hour"}, View("30d", "day", narrowed=True)),
        ({"period": "30d", "by": "key"}, View("30d", "key")),
        ({"period": "' OR 1=1", "by": "<b>"}, View("7d", "day")),
    ],
)
def test_a_query_is_a_view_or_the_default(query: dict[str, str], view: View) -> None:
    assert read_view(query) == view


def test_periods_hold_whole_hours_or_days() -> None:
    assert start(View("24h", "hour"), NOW) == datetime(2026, 11, 21, 15, tzinfo=UTC)
    assert start(View("7d", "day"), NOW) == datetime(2026, 11, 16, tzinfo=UTC)


def test_hours_and_days_without_usage_are_points_too() -> None:
    hours = points(
        [sum_of(row(hour="2026-11-22T13:00:00.000Z"), {})],
        "hour",
        start(View("24h", "hour"), NOW),
        NOW,
    )
    assert len(hours) == 24
    assert [(p.name, p.label) for p in hours if p.input_tokens] == [
        ("2026-11-22 13:00 UTC", "13:00")
    ]
    days = points([sum_of(row(day="2026-11-16"), {})], "day", start(View("7d", "day"), NOW), NOW)
    assert [p.input_tokens for p in days] == [10, 0, 0, 0, 0, 0, 0]
    assert days[0].label == "16 Nov"


def test_keys_are_told_by_name_and_currencies_never_added() -> None:
    sums = [sum_of(row(currency, key_id="key_1"), {"key_1": "Ada"}) for currency in ("EUR", "USD")]
    assert [s.name for s in sums] == ["Ada", "Ada"]
    assert [(t.currency, t.cost) for t in totals(sums)] == [("EUR", 7), ("USD", 7)]
    assert [(p.name, p.input_tokens) for p in points(sums, "key", NOW, NOW)] == [("Ada", 20)]
    assert sum_of(row(key_id="key_2"), {}).name == "key_2"
