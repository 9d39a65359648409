"""The real product in this process: the whole stack and its doors, over a home of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from secondbasket.app import Stack
from secondbasket.cli.stack import run_stack
from secondbasket.core.receipt import Receipt
from secondbasket.settings import Settings, read_settings
from secondbasket.stores.home import Home
from tests.faults.target import Target

BUDGET = 10**12


class Customer(msgspec.Struct, frozen=True):
    """A key, and what its holder sends."""

    key_id: str
    headers: dict[str, str]


class House:
    """`target` is where it listens; everything else looks inside."""

    def __init__(self, stack: Stack, address: str) -> None:
        self.stack = stack
        self.address = address

    def reconfigure(self, configuration: str) -> None:
        """Take another `basket.toml` into force, as SIGHUP does."""
        (self.stack.home.root / "basket.toml").write_text(configuration)
        self.stack.reload()

    async def customer(self, name: str, **headers: str) -> Customer:
        """A new key of its own, so that what it spends is known from everybody else's."""
        key, secret = await self.stack.keys.create(by=None, name=name, budget=BUDGET)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Customer(key.id, {"Authorization": f"Bearer {secret}"} | named)

    def target(self, customer: Customer) -> Target:
        return Target(self.address, customer.headers)

    async def receipts(self, customer: Customer) -> list[Receipt]:
        """Everything it was billed for, the newest first."""
        await self.stack.ledger.fold()
        return await self.stack.ledger.rows(key_id=customer.key_id)

    async def balanced(self, customer: Customer) -> bool:
        """Nothing is still set aside, and what was spent is what the receipts say."""
        balance = self.stack.budgets.balance(customer.key_id)
        told = sum(each.cost for each in await self.receipts(customer))
        return not balance.reserved and balance.spent == told


@asynccontextmanager
async def house(home: Path, configuration: str) -> AsyncIterator[House]:
    """Everything `basket up` runs but the engines, on a free port of loopback."""
    kept = Home(home)
    kept.create()
    (home / "basket.toml").write_text(configuration)

    def reread() -> Settings:
        return read_settings(home, {}, {"server.port": 0}).settings

    with kept.lock("tests"):
        async with run_stack(reread(), engines=False, public=True, reread=reread) as (
            stack,
            address,
        ):
            yield House(stack, address)
