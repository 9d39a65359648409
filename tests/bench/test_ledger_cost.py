"""What every request pays for being governed: the best of several rounds, on any machine."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.keys import Keys
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home
from secondbasket.stores.peppers import Peppers
from tests.databases import receipt

pytestmark = pytest.mark.anyio


def microseconds(call: Callable[[], object], times: int = 2_000) -> float:
    """Mean time of one call in the quickest of five rounds."""
    rounds = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(times):
            call()
        rounds.append(time.perf_counter() - started)
    return min(rounds) / times * 1e6


async def test_verify_reserve_and_record_cost_next_to_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'basket.db'}")
    await database.migrate()
    ledger = Ledger(Journal(tmp_path / "journal"), database)
    home = Home(tmp_path / "home")
    home.create()
    keys = Keys(database, peppers=Peppers(home), currency="USD", record=ledger.record_decision)
    budgets = Budgets(ledger, currency="USD")
    key, secret = await keys.create(by=None, name="bench", budget=10**12)
    entry = receipt()

    assert microseconds(lambda: ledger.record(entry)) < 15
    assert microseconds(lambda: keys.verify(secret)) < 10
    assert microseconds(lambda: budgets.reserve(key, 5).settle(3)) < 5
    await ledger.close()
    database.close()


async def test_folding_a_receipt_and_sealing_it_costs_a_fraction_of_a_call(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'basket.db'}")
    await database.migrate()
    ledger = Ledger(Journal(tmp_path / "journal"), database)
    rounds = []
    for _ in range(5):
        for _ in range(1_000):
            ledger.record(receipt())
        started = time.process_time()
        await ledger.fold()
        rounds.append(time.process_time() - started)
    assert min(rounds) / 1_000 * 1e6 < 100
    await ledger.close()
    database.close()
