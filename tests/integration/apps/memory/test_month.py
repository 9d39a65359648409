"""A scripted month with the real embedding model: clean, up to date, and nothing erased in it."""

import pytest

from bench.memory import embedder, live, memories_over
from bench.month import Month
from secondbasket.stores.database import Database
from tests.conftest import Weights

pytestmark = pytest.mark.anyio

EVENTS = 250


@pytest.mark.parametrize("by", ["words and vectors", "words"])
async def test_after_a_month_memory_is_clean_and_right(
    database: Database, weights: Weights, by: str
) -> None:
    chosen = embedder(weights.models) if by != "words" else None
    outcome = await live(memories_over(database, chosen), database, Month(EVENTS))
    assert outcome.events == EVENTS
    assert outcome.superseded > 5
    assert outcome.erased > 3
    assert outcome.stale == 0
    assert outcome.found == 0
    assert outcome.mixed == 0
    assert outcome.lost <= 0.02 * outcome.told
    if chosen is not None:
        assert outcome.unclean <= 0.05


def test_a_month_is_the_same_every_time() -> None:
    one, other = Month(300), Month(300)
    assert one.events == other.events
    assert one.truth.present() == other.truth.present()
    assert len({event.at for event in one.events}) == 300
