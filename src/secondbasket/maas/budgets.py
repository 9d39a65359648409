"""Budgets: the most a call can cost is set aside before it, what it did cost is kept after.

A key's budget is never overdrawn by calls that run at the same time: each holds
its worst case until it is settled, and a call whose worst case no longer fits
is refused.
"""

import threading

import msgspec

from secondbasket.core.key import Key
from secondbasket.core.money import format_nano
from secondbasket.errors import BudgetExceeded
from secondbasket.ledger.ledger import Ledger


class Balance(msgspec.Struct):
    """One key's money in nano-units: spent for good, and reserved by calls in flight."""

    spent: int = 0
    reserved: int = 0


class Budgets:
    """Every key's balance in one currency. Call `load` once before use."""

    def __init__(self, ledger: Ledger, *, currency: str) -> None:
        self._ledger = ledger
        self._currency = currency
        self._balances: dict[str, Balance] = {}
        self._lock = threading.Lock()

    async def load(self) -> None:
        """Take what every key has spent from the ledger; nothing is reserved then."""
        spent = await self._ledger.spent_by_key(self._currency)
        self._balances = {key_id: Balance(amount) for key_id, amount in spent.items()}

    def reserve(self, key: Key, amount: int) -> "Reservation":
        """Set `amount` nano-units aside, at once or not at all. Raises BudgetExceeded."""
        with self._lock:
            balance = self._balances.get(key.id)
            if balance is None:
                balance = self._balances[key.id] = Balance()
            if key.budget is not None:
                self._require_room(key, key.budget, balance, amount)
            balance.reserved += amount
        return Reservation(self, key, balance, amount)

    def change(self, key: Key, balance: Balance, difference: int) -> None:
        """Set `difference` more aside, or less where it is negative. Raises BudgetExceeded."""
        with self._lock:
            if difference > 0 and key.budget is not None:
                self._require_room(key, key.budget, balance, difference)
            balance.reserved += difference

    def settle(self, balance: Balance, reserved: int, actual: int) -> None:
        """Free what was set aside and keep what was spent."""
        with self._lock:
            balance.reserved -= reserved
            balance.spent += actual

    def _require_room(self, key: Key, budget: int, balance: Balance, amount: int) -> None:
        if key.currency != self._currency:
            raise BudgetExceeded(
                f"The budget of key '{key.name}' is in {key.currency}; prices here are in"
                f" {self._currency}.",
                hint=f"Have a key made with a budget in {self._currency}.",
            )
        if balance.spent + balance.reserved + amount <= budget:
            return
        money = [
            format_nano(nano, key.currency)
            for nano in (budget, balance.spent, balance.reserved, amount)
        ]
        raise BudgetExceeded(
            f"Key '{key.name}' has a budget of {money[0]}: {money[1]} is spent, {money[2]} is"
            f" reserved by calls in flight, and this call could cost {money[3]}.",
            hint="Ask for less with max_tokens, wait for running calls, or have a new key made.",
        )

    def balance(self, key_id: str) -> Balance:
        """A copy of the key's balance as it stands."""
        with self._lock:
            standing = self._balances.get(key_id, Balance())
            return Balance(standing.spent, standing.reserved)


class Reservation:
    """Money set aside for one call, until it is settled. Used by that call alone."""

    __slots__ = ("_balance", "_budgets", "_key", "_open", "amount")

    def __init__(self, budgets: Budgets, key: Key, balance: Balance, amount: int) -> None:
        self.amount = amount
        self._budgets = budgets
        self._key = key
        self._balance = balance
        self._open = True

    def change(self, amount: int) -> None:
        """Hold `amount` from now on, at once or not at all. Raises BudgetExceeded."""
        self._budgets.change(self._key, self._balance, amount - self.amount)
        self.amount = amount

    def settle(self, actual: int) -> None:
        """Keep what the call did cost and free the rest; only the first call counts.

        More than was reserved is kept as well: it was used.
        """
        if self._open:
            self._open = False
            self._budgets.settle(self._balance, self.amount, actual)
