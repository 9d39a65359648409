"""Our own product in front of the faults: `basket up`, as anybody starts it."""

import contextlib
import shutil
from collections.abc import Iterator

from bench.processes import WORK, Basket
from tests.faults import configuration
from tests.faults.cases import Case, Pair
from tests.faults.configuration import Member
from tests.faults.server import FaultServer
from tests.faults.target import Target


@contextlib.contextmanager
def product(
    server: FaultServer, cases: list[Case], pairs: dict[str, Pair], *, seconds: float
) -> Iterator[Target]:
    """The server, ready, over a new home, for the length of the block."""
    baskets = [
        configuration.Basket(
            name=case.model,
            kind=case.kind,
            members=[Member(pairs[case.model].first), Member(pairs[case.model].second)],
            seconds=seconds,
        )
        for case in cases
    ]
    home = WORK / "faults"
    shutil.rmtree(home, ignore_errors=True)
    basket = Basket(home, configuration.configuration([server], baskets))
    with basket.up():
        yield Target(basket.url, {"Authorization": f"Bearer {basket.key()}"})
