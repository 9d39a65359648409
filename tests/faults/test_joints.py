"""Where two models' words meet, by how the second one takes the request to go on."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import get_args

import httpx2
import pytest

from tests.faults.calls import call
from tests.faults.catalogue import BY_NAME
from tests.faults.configuration import Basket, Member, configuration
from tests.faults.house import House, house
from tests.faults.promises import is_never_a_false_end
from tests.faults.server import FaultServer, Manner

pytestmark = pytest.mark.anyio
MANNERS: tuple[Manner, ...] = get_args(Manner)


@pytest.fixture(scope="module")
def faults() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(scope="module")
async def home(faults: FaultServer) -> AsyncIterator[House]:
    baskets = []
    for number, manner in enumerate(MANNERS):
        first = faults.upstream(f"m{number}-first", fault=BY_NAME["cut"])
        second = faults.upstream(f"m{number}-second")
        second.manner = manner
        members = [Member(first), Member(second)]
        baskets.append(Basket(name=f"m{number}", kind="chat", members=members, seconds=30))
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        async with house(Path(folder), configuration([faults], baskets)) as running:
            yield running


@pytest.mark.parametrize("manner", MANNERS)
async def test_no_word_is_lost_or_said_twice(home: House, manner: Manner) -> None:
    customer = await home.customer("joints")
    async with httpx2.AsyncClient(trust_env=False) as client:
        seen = await call(
            client,
            url=home.address,
            headers=customer.headers,
            model=f"m{MANNERS.index(manner)}",
            kind="chat",
            form="text",
            stream=True,
            patience=60,
        )
    is_never_a_false_end(seen)
    if manner == "goes straight on":  # which may fit or not: nothing shows it
        assert seen.failed_openly
    else:
        assert seen.whole
    assert await home.balanced(customer)
