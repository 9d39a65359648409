"""A scripted month with the real embedding model: clean, up to date, and nothing erased in it."""

import pytest

from bench.memory import embedder, live, memories_over
from bench.month import Month
from bench.phrases import SEEN, UNSEEN, Phrases
from secondbasket.stores.database import Database
from tests.conftest import Weights

pytestmark = pytest.mark.anyio

EVENTS = 250


@pytest.mark.parametrize("phrases", [SEEN, UNSEEN], ids=["seen", "unseen"])
async def test_after_a_month_memory_is_clean_and_right(
    database: Database, weights: Weights, phrases: Phrases
) -> None:
    memories = memories_over(database, embedder(weights.models))
    outcome = await live(memories, database, Month(EVENTS, phrases=phrases))
    assert outcome.events == EVENTS
    assert outcome.superseded > 5
    assert outcome.erased > 3
    assert outcome.stale == 0
    assert outcome.found == 0
    assert outcome.mixed == 0
    assert outcome.lost <= 0.02 * outcome.told
    assert outcome.unclean <= (0.05 if phrases is SEEN else 0.1)


def test_a_month_is_the_same_every_time() -> None:
    one, other = Month(300), Month(300)
    assert one.events == other.events
    assert one.truth.present() == other.truth.present()
    assert len({event.at for event in one.events}) == 300
