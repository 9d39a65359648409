"""Sums from the ledger against sums by hand, over moments that fall on and between hours."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from secondbasket.core.clock import parse, timestamp
from secondbasket.core.decision import Decision
from secondbasket.core.receipt import Receipt
from secondbasket.core.usage import UsageGroup, UsageRow
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.stores.database import Database
from tests.databases import receipt

pytestmark = pytest.mark.anyio

START = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
GROUPINGS: list[tuple[UsageGroup, ...]] = [
    (),
    ("hour",),
    ("day",),
    ("key",),
    ("basket", "upstream"),
    ("day", "key", "basket"),
]


def random_receipts(chance: random.Random, count: int) -> list[Receipt]:
    """Over six hours, a third of them on a boundary between two."""
    receipts = []
    for _ in range(count):
        moment = START + timedelta(milliseconds=chance.randrange(6 * 3_600_000))
        if chance.random() < 0.33:
            moment = moment.replace(minute=0, second=0, microsecond=0)
        receipts.append(
            receipt(
                created_at=timestamp(moment),
                key_id=chance.choice(["key_1", "key_2"]),
                basket=chance.choice(["small", "large"]),
                upstream=chance.choice(["local", "elsewhere"]),
                currency=chance.choice(["USD", "USD", "EUR"]),
                input_tokens=chance.randrange(5_000),
                output_tokens=chance.randrange(500),
                cost=chance.randrange(10**10),
            )
        )
    return receipts


def by_hand(receipts: list[Receipt], group_by: tuple[UsageGroup, ...]) -> list[UsageRow]:
    sums: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * 5)
    for each in receipts:
        names = {
            "hour": each.created_at[:13] + ":00:00.000Z",
            "day": each.created_at[:10],
            "key": each.key_id,
            "basket": each.basket,
            "upstream": each.upstream,
        }
        total = sums[*(names[group] for group in group_by), each.currency]
        values = (1, each.input_tokens, each.output_tokens, each.cached_input_tokens, each.cost)
        for index, value in enumerate(values):
            total[index] += value
    fields = {"key": "key_id"}
    return [
        UsageRow(
            **{
                fields.get(group, group): value
                for group, value in zip(group_by, about[:-1], strict=True)
            },
            currency=about[-1],
            calls=total[0],
            input_tokens=total[1],
            output_tokens=total[2],
            cached_input_tokens=total[3],
            cost=total[4],
        )
        for about, total in sorted(sums.items())
    ]


async def test_usage_is_the_sum_of_the_receipts_in_any_window(
    database: Database, tmp_path: Path
) -> None:
    chance = random.Random(20261122)
    receipts = random_receipts(chance, 300)
    ledger = Ledger(Journal(tmp_path), database)
    for each in receipts:
        ledger.record(each)

    def moment() -> datetime | None:
        if chance.random() < 0.15:
            return None
        minutes = chance.choice([60 * chance.randrange(7), chance.randrange(360)])
        return START + timedelta(minutes=minutes)

    for round_ in range(60):
        since, until = moment(), moment()
        key_id = chance.choice([None, "key_1", "key_unknown"])
        basket = chance.choice([None, "small"])
        group_by = GROUPINGS[round_ % len(GROUPINGS)]
        within = [
            each
            for each in receipts
            if (since is None or parse(each.created_at) >= since)
            and (until is None or parse(each.created_at) < until)
            and key_id in (None, each.key_id)
            and basket in (None, each.basket)
        ]
        found = await ledger.usage(
            since=since, until=until, key_id=key_id, basket=basket, group_by=group_by
        )
        assert found == by_hand(within, group_by), (since, until, key_id, basket, group_by)
    await ledger.close()


async def test_rows_come_newest_first_and_by_key(database: Database, tmp_path: Path) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    receipts = random_receipts(random.Random(7), 50)
    for each in receipts:
        ledger.record(each)
    newest = sorted(receipts, key=lambda each: (each.created_at, each.request_id), reverse=True)
    assert await ledger.rows(limit=10) == newest[:10]
    of_one = [each for each in newest if each.key_id == "key_2"]
    assert await ledger.rows(key_id="key_2") == of_one
    assert await ledger.receipt(of_one[3].request_id) == of_one[3]
    assert await ledger.receipt("req_unknown") is None
    await ledger.close()


async def test_what_was_spent_is_per_key_and_currency(database: Database, tmp_path: Path) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    # More than 32 bits hold, and than a float holds exactly.
    for cost in (2**53, 1, 1):
        ledger.record(receipt(key_id="key_1", cost=cost))
    ledger.record(receipt(key_id="key_1", cost=9, currency="EUR"))
    ledger.record(receipt(key_id="key_2", cost=5))
    assert await ledger.spent("key_1", "USD") == 2**53 + 2
    assert await ledger.spent("key_1", "EUR") == 9
    assert await ledger.spent("key_unknown", "USD") == 0
    assert await ledger.spent_by_key("USD") == {"key_1": 2**53 + 2, "key_2": 5}
    await ledger.close()


async def test_moments_of_other_time_zones_are_kept_in_utc(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    there = datetime(2026, 11, 22, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    ledger.record(receipt(request_id="req_1", created_at=there.isoformat()))
    assert [row.created_at for row in await ledger.rows()] == ["2026-11-21T23:30:00.000Z"]
    [row] = await ledger.usage(group_by=("hour",))
    assert row.hour == "2026-11-21T23:00:00.000Z"
    await ledger.close()


async def test_decisions_come_back_as_they_were_recorded(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    first = Decision(kind="egress", subject="a:443", outcome="refused", detail={"rule": "é'\";--"})
    second = Decision(kind="key_created", subject="key_1", outcome="done")
    ledger.record_decision(first)
    ledger.record_decision(second)
    assert set(map(str, await ledger.decisions())) == {str(first), str(second)}
    assert await ledger.decisions(kind="egress") == [first]
    await ledger.close()


async def test_no_text_can_block_the_journal(database: Database, tmp_path: Path) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    odd = "a\0b'\";--\\%_é\N{PILE OF POO}"
    ledger.record(receipt(request_id="req_1", model=odd))
    ledger.record_decision(Decision(kind="egress", subject=odd, outcome="done", detail={odd: odd}))
    [row] = await ledger.rows()
    assert row.model == odd.replace("\0", "\N{REPLACEMENT CHARACTER}")
    [decision] = await ledger.decisions()
    assert decision.detail == {odd: odd}
    await ledger.close()
