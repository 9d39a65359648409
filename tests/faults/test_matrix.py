"""Every fault × what is asked × how, against the real product: the promises of failover.

Behind every basket stand a faulty upstream, one that is well or has the same fault, and a third
that is well and that policy forbids the call. The client gets the whole answer or an explicit
error, what was used is billed once and where it ran, nobody is asked more often than the rules
allow, the third is never asked, and no connection stays open.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal, get_args

import httpx2
import msgspec
import pytest

from tests.faults.calls import Seen, call
from tests.faults.cases import Case, cases
from tests.faults.catalogue import CATALOGUE, Fault
from tests.faults.configuration import Basket, Member, configuration
from tests.faults.house import House, house
from tests.faults.promises import Part, is_as_expected, is_billed_as_it_ran, leaves_nothing_open
from tests.faults.server import FaultServer, Upstream, WireName

pytestmark = pytest.mark.anyio

# The time-outs where a fault is to be ended by one. Elsewhere they are so long that a machine
# which is busy with other tests does not look like a fault.
SHORT, LONG = 1.2, 30.0
PATIENCE = 60.0
PRICES = ((1, 2), (10, 20), (100, 200))

Second = Literal["well", "faulty", "well, no continuation", "well, Anthropic"]


class Setting(msgspec.Struct, frozen=True):
    """A case, how its second upstream is, and the basket made for it."""

    case: Case
    second: Second
    basket: Basket

    @property
    def upstreams(self) -> list[Upstream]:
        return [member.upstream for member in self.basket.members]

    @property
    def parts(self) -> list[Part]:
        return [
            Part(each, prices, self.basket.name)
            for each, prices in zip(self.upstreams, PRICES, strict=True)
        ]


def settings(server: FaultServer) -> Iterator[Setting]:
    for case in cases(streamed_inside=True):
        for second in get_args(Second):
            if second == "well, Anthropic" and (case.kind != "chat" or case.wire == "anthropic"):
                continue
            yield Setting(case, second, _basket(server, case, second))


def _basket(server: FaultServer, case: Case, second: Second) -> Basket:
    name = f"{case.model}-{second.replace(', ', '-').replace(' ', '-')}".lower()
    fault = case.fault
    if second == "faulty":
        other = server.upstream(f"{name}-second", case.wire, fault)
    else:
        wire: WireName = "anthropic" if second == "well, Anthropic" else "openai"
        other = server.upstream(f"{name}-second", wire)
    first = server.upstream(f"{name}-first", case.wire, fault)
    third = server.upstream(f"{name}-third")
    return Basket(
        name=name,
        kind=case.kind,
        members=[
            Member(first, prices=PRICES[0]),
            Member(other, prices=PRICES[1]),
            Member(third, prices=PRICES[2], law="US"),
        ],
        continuation="none" if second == "well, no continuation" else "replay",
        seconds=SHORT if fault.silent else LONG,
    )


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


@pytest.mark.parametrize("second", get_args(Second))
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
    case = setting.case
    customer = await home.customer(setting.basket.name, x_basket_data_class="confidential")
    seen = await call(
        client,
        url=home.address,
        headers=customer.headers,
        model=setting.basket.name,
        kind=case.kind,
        form=case.form,
        stream=case.mode == "stream",
        patience=PATIENCE,
        tag=setting.basket.name,
    )
    try:
        _is_answered(setting, seen)
    except AssertionError as error:
        error.add_note(f"the client saw {seen}")
        raise
    await is_billed_as_it_ran(home, customer, seen, setting.parts)
    await leaves_nothing_open(home, setting.upstreams)


def _is_answered(setting: Setting, seen: Seen) -> None:
    case, second = setting.case, setting.second
    first, other, third = setting.upstreams
    goes_on = second in ("well", "well, Anthropic")
    is_as_expected(case, seen, goes_on=goes_on, second_well=second != "faulty")
    assert not third.calls, "policy forbids it"
    assert len(first.calls) <= 2
    assert len(other.calls) <= 2
    assert len(first.calls) + len(other.calls) <= 4
    if case.fault.sees in ("final error", "as declined", "as sent") or case.fault.whole:
        assert not other.calls, "nobody else has anything to add"
