"""What left the house, summed from the decisions that tell it, on both databases."""

from pathlib import Path

import pytest
from sqlalchemy import delete

from secondbasket.core.clock import parse
from secondbasket.core.decision import Decision
from secondbasket.core.egress import EgressSum
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.stores.database import Database
from secondbasket.stores.schema import journal_positions

pytestmark = pytest.mark.anyio

DESTINATION = "api.example:443"


def counted(at: str, *, law: str = "US", sent: str = "10", data_class: str = "public") -> Decision:
    return Decision(
        kind="egress_bytes",
        subject=DESTINATION,
        outcome="counted",
        at=at,
        detail={
            "vendor": "v",
            "law": law,
            "data_class": data_class,
            "sent": sent,
            "received": "1",
            "since": at,
        },
    )


def total(law: str, data_class: str, sent: int, received: int) -> EgressSum:
    return EgressSum(
        destination=DESTINATION,
        vendor="v",
        law=law,
        data_class=data_class,
        sent=sent,
        received=received,
    )


async def test_sums_by_law_and_class_over_hours(database: Database, tmp_path: Path) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    for decision in (
        counted("2026-11-22T10:59:59.999Z", sent="5000000000"),
        counted("2026-11-22T11:00:00.000Z"),
        counted("2026-11-22T11:30:00.000Z", data_class="secret"),
        counted("2026-11-22T12:00:00.000Z", law="FR"),
        Decision(kind="egress", subject=DESTINATION, outcome="allowed"),
    ):
        ledger.record_decision(decision)
    assert await ledger.egress() == [
        total("FR", "public", 10, 1),
        total("US", "public", 5_000_000_010, 2),
        total("US", "secret", 10, 1),
    ]
    since, until = parse("2026-11-22T11:40:00Z"), parse("2026-11-22T12:10:00Z")
    assert await ledger.egress(since=since, until=until) == [
        total("US", "public", 10, 1),
        total("US", "secret", 10, 1),
    ]
    await ledger.close()


async def test_a_count_is_added_once_however_often_it_is_read(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    ledger.record_decision(counted("2026-11-22T10:00:00.000Z"))
    await ledger.fold()
    await database.write(lambda connection: connection.execute(delete(journal_positions)))
    ledger.record_decision(counted("2026-11-22T10:00:01.000Z"))
    assert await ledger.egress() == [total("US", "public", 20, 2)]
    await ledger.close()


async def test_a_count_that_is_none_is_set_aside_and_blocks_nothing(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    ledger.record_decision(counted("2026-11-22T10:00:00.000Z", sent="much"))
    ledger.record_decision(counted("2026-11-22T10:00:01.000Z"))
    assert await ledger.egress() == [total("US", "public", 10, 1)]
    assert {each.kind for each in await ledger.decisions()} == {"journal_damaged", "egress_bytes"}
    await ledger.close()
