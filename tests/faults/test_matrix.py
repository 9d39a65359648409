"""Every fault × what is asked × how, against the real product: the promises of failover.

Behind every basket stands a faulty upstream, and one that is well or has the same fault. The
client gets the whole answer or an explicit error, what was used is billed once and where it ran,
nobody is asked more often than the rules allow, and no connection stays open.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import httpx2
import msgspec
import pytest

from tests.faults.calls import call
from tests.faults.cases import Case, cases
from tests.faults.catalogue import CATALOGUE, Fault
from tests.faults.configuration import Basket, Member, configuration
from tests.faults.house import House, house
from tests.faults.promises import Part, is_as_expected, is_billed_as_it_ran, leaves_nothing_open
from tests.faults.server import FaultServer

pytestmark = pytest.mark.anyio

# The time-outs where a fault is to be ended by one. Elsewhere they are so long that a machine
# which is busy with other tests does not look like a fault.
SHORT, LONG = 0.8, 30.0
PATIENCE = 60.0
FIRST_PRICES, SECOND_PRICES = (1, 2), (10, 20)

Second = Literal["well", "faulty", "well, no continuation"]


class Setting(msgspec.Struct, frozen=True):
    """A case, how its second upstream is, and the basket made for it."""

    case: Case
    second: Second
    basket: Basket

    @property
    def parts(self) -> list[Part]:
        prices = (FIRST_PRICES, SECOND_PRICES)
        members = zip(self.basket.members, prices, strict=True)
        return [Part(member.upstream, each) for member, each in members]


def settings(server: FaultServer) -> Iterator[Setting]:
    for case in cases():
        for second in ("well", "faulty", "well, no continuation"):
            name = f"{case.model}-{second.replace(', ', '-').replace(' ', '-')}"
            fault = case.fault
            if second == "faulty":
                other = server.upstream(f"{name}-second", case.wire, fault)
            else:
                other = server.upstream(f"{name}-second")
            members = [
                Member(server.upstream(f"{name}-first", case.wire, fault), prices=FIRST_PRICES),
                Member(other, prices=SECOND_PRICES),
            ]
            continuation = "none" if second == "well, no continuation" else "replay"
            basket = Basket(
                name=name,
                kind=case.kind,
                members=members,
                continuation=continuation,
                seconds=SHORT if fault.silent else LONG,
            )
            yield Setting(case, second, basket)


@pytest.fixture(scope="module")
def faults() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(scope="module")
def matrix(faults: FaultServer) -> list[Setting]:
    return list(settings(faults))


@pytest.fixture(scope="module")
async def home(faults: FaultServer, matrix: list[Setting]) -> AsyncIterator[House]:
    baskets = [each.basket for each in matrix]
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        async with house(Path(folder), configuration([faults], baskets)) as running:
            yield running


@pytest.mark.parametrize("second", ["well", "faulty", "well, no continuation"])
@pytest.mark.parametrize("fault", CATALOGUE, ids=lambda fault: fault.name)
async def test_a_fault_keeps_every_promise(
    home: House, matrix: list[Setting], fault: Fault, second: Second
) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:

        async def one(setting: Setting) -> None:
            try:
                await _keeps_its_promises(home, client, setting)
            except AssertionError as error:
                error.add_note(f"in the case: {setting.case.title}, second {second}")
                raise

        await asyncio.gather(
            *(one(each) for each in matrix if each.case.fault is fault and each.second == second)
        )


async def _keeps_its_promises(home: House, client: httpx2.AsyncClient, setting: Setting) -> None:
    case, second = setting.case, setting.second
    first, other = (member.upstream for member in setting.basket.members)
    customer = await home.customer(setting.basket.name[:60])
    seen = await call(
        client,
        url=home.address,
        headers=customer.headers,
        model=setting.basket.name,
        kind=case.kind,
        form=case.form,
        stream=case.mode == "stream",
        patience=PATIENCE,
    )
    goes_on = second == "well"
    is_as_expected(case, seen, goes_on=goes_on, second_well=second != "faulty")
    assert len(first.calls) <= 2
    assert len(other.calls) <= 2
    assert len(first.calls) + len(other.calls) <= 4
    if case.fault.sees in ("final error", "as declined", "as sent") or case.fault.whole:
        assert not other.calls, "nobody else has anything to add"
    await is_billed_as_it_ran(home, customer, seen, setting.parts)
    await leaves_nothing_open(home, [first, other])
