"""Budgets over a real ledger: races for the last cent, and restarts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from secondbasket.core.clock import now
from secondbasket.core.key import Key
from secondbasket.errors import BudgetExceeded
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.budgets import Balance, Budgets, Reservation
from secondbasket.stores.database import Database
from tests.databases import receipt

CENT = 10_000_000


def key_with(budget: int | None, *, currency: str = "USD", id_: str = "key_1") -> Key:
    return Key(id=id_, name="ci", role="user", budget=budget, currency=currency, created_at=now())


@pytest.fixture
def budgets(tmp_path: Path) -> Budgets:
    ledger = Ledger(Journal(tmp_path), Database(f"sqlite:///{tmp_path / 'basket.db'}"))
    return Budgets(ledger, currency="USD")


@pytest.mark.anyio
async def test_what_was_spent_before_a_restart_is_still_spent(
    database: Database, tmp_path: Path
) -> None:
    key = key_with(3 * CENT)
    ledger = Ledger(Journal(tmp_path / "journal"), database)
    before = Budgets(ledger, currency="USD")
    await before.load()
    reservation = before.reserve(key, 3 * CENT)
    ledger.record(receipt(key_id=key.id, cost=CENT))
    reservation.settle(CENT)
    unsettled = before.reserve(key, CENT)  # its call died with the server
    assert before.balance(key.id) == Balance(CENT, unsettled.amount)

    after = Budgets(ledger, currency="USD")
    await after.load()
    assert after.balance(key.id) == Balance(CENT, 0)
    with pytest.raises(BudgetExceeded):
        after.reserve(key, 2 * CENT + 1)
    after.reserve(key, 2 * CENT)
    await ledger.close()


@pytest.mark.anyio
async def test_many_calls_on_the_last_cent_and_one_gets_it(budgets: Budgets) -> None:
    key = key_with(CENT)
    refused = 0

    async def call() -> None:
        nonlocal refused
        await anyio.lowlevel.checkpoint()
        try:
            reservation = budgets.reserve(key, CENT)
        except BudgetExceeded:
            refused += 1
        else:
            await anyio.lowlevel.checkpoint()
            reservation.settle(CENT)

    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(call)
    assert refused == 199
    assert budgets.balance(key.id) == Balance(CENT, 0)


def test_many_threads_on_the_last_cents(budgets: Budgets) -> None:
    key = key_with(100)

    def call(_: int) -> int:
        try:
            reservation = budgets.reserve(key, 3)
        except BudgetExceeded:
            return 0
        reservation.settle(2)
        reservation.settle(2)
        return 2

    with ThreadPoolExecutor(16) as threads:
        billed = sum(threads.map(call, range(2_000)))
    assert budgets.balance(key.id) == Balance(billed, 0)
    # A call that may cost 3 no longer fits when 98 are spent.
    assert billed == 98


def test_the_refusal_tells_the_money(budgets: Budgets) -> None:
    key = key_with(5_000_000_000)
    budgets.reserve(key, 0).settle(4_990_000_000)
    budgets.reserve(key, CENT)
    with pytest.raises(BudgetExceeded) as caught:
        budgets.reserve(key, 2 * CENT)
    assert caught.value.message == (
        "Key 'ci' has a budget of 5.00 USD: 4.99 USD is spent, 0.01 USD is reserved by calls in"
        " flight, and this call could cost 0.02 USD."
    )
    assert caught.value.hint


def test_a_key_without_a_budget_is_counted_and_never_refused(budgets: Budgets) -> None:
    key = key_with(None)
    budgets.reserve(key, 10**15).settle(10**15)
    budgets.reserve(key, 10**15)
    assert budgets.balance(key.id) == Balance(10**15, 10**15)
    assert budgets.balance("key_unknown") == Balance(0, 0)


def test_what_cost_more_than_was_reserved_is_kept(budgets: Budgets) -> None:
    key = key_with(100)
    budgets.reserve(key, 60).settle(120)
    assert budgets.balance(key.id) == Balance(120, 0)
    with pytest.raises(BudgetExceeded):
        budgets.reserve(key, 0)


def test_a_budget_in_another_currency_buys_nothing_here(budgets: Budgets) -> None:
    with pytest.raises(BudgetExceeded, match="EUR; prices here are in USD"):
        budgets.reserve(key_with(CENT, currency="EUR"), 1)


class Races(RuleBasedStateMachine):
    """Reservations of three keys, opened and settled in any order, some of them twice."""

    ledger: Ledger
    open_ = Bundle("open")
    closed = Bundle("closed")

    @initialize(limits=st.tuples(*[st.none() | st.integers(0, 100)] * 3))
    def begin(self, limits: tuple[int | None, ...]) -> None:
        self.budgets = Budgets(self.ledger, currency="USD")
        self.keys = [key_with(limit, id_=f"key_{i}") for i, limit in enumerate(limits)]
        self.spent = [0] * len(limits)
        self.reserved = [0] * len(limits)

    @rule(target=open_, which=st.integers(0, 2), amount=st.integers(0, 40))
    def reserve(self, which: int, amount: int) -> tuple[int, Reservation | None]:
        budget = self.keys[which].budget
        fits = budget is None or self.spent[which] + self.reserved[which] + amount <= budget
        try:
            reservation = self.budgets.reserve(self.keys[which], amount)
        except BudgetExceeded:
            assert not fits
            return which, None
        assert fits
        self.reserved[which] += amount
        return which, reservation

    @rule(target=closed, call=consumes(open_), part=st.floats(0, 1))
    def settle(
        self, call: tuple[int, Reservation | None], part: float
    ) -> tuple[int, Reservation | None]:
        which, reservation = call
        if reservation is not None:
            actual = int(reservation.amount * part)
            reservation.settle(actual)
            self.reserved[which] -= reservation.amount
            self.spent[which] += actual
        return call

    @rule(call=closed, actual=st.integers(0, 40))
    def settle_again(self, call: tuple[int, Reservation | None], actual: int) -> None:
        if call[1] is not None:
            call[1].settle(actual)

    @invariant()
    def balances_are_right_and_never_overdrawn(self) -> None:
        for index, key in enumerate(getattr(self, "keys", ())):
            balance = self.budgets.balance(key.id)
            assert balance == Balance(self.spent[index], self.reserved[index])
            assert key.budget is None or balance.spent + balance.reserved <= key.budget


def test_no_order_of_calls_overdraws_a_budget(tmp_path: Path) -> None:
    ledger = Ledger(Journal(tmp_path), Database(f"sqlite:///{tmp_path / 'basket.db'}"))
    machine = type("RacesHere", (Races,), {"ledger": ledger})
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True),
    )
