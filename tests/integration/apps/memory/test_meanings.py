"""What only a real embedding model can tell: courtesies in new words, questions in other words."""

import pytest

from bench.memory import embedder, memories_over
from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.memory.statement import Kind, Statement
from secondbasket.stores.database import Database
from tests.conftest import Weights
from tests.integration.apps.memory.test_memories import fact

pytestmark = pytest.mark.anyio


@pytest.fixture
def clever(database: Database, weights: Weights) -> Memories:
    return memories_over(database, embedder(weights.models))


def told(text: str, kind: Kind = "preference") -> Statement:
    return Statement(kind=kind, sources=("message:m1",), text=text)


@pytest.mark.parametrize(
    "text",
    [
        "What a delight to hear from you, Petra!",
        "I am so grateful for everything you did.",
        "Take good care of yourself, my friend.",
    ],
)
async def test_courtesies_in_new_words_are_not_kept(clever: Memories, text: str) -> None:
    kept = await clever.remember(told(text))
    assert kept.outcome == "refused"
    assert "courtesy" in kept.why


@pytest.mark.parametrize(
    "text",
    [
        "Petra likes to be thanked in writing.",
        "The canteen is closed while the kitchen is rebuilt.",
        "Visitors are to be greeted in French.",
        "Karim does not take calls during lunch.",
    ],
)
async def test_what_tells_of_courtesies_is(clever: Memories, text: str) -> None:
    assert (await clever.remember(told(text))).outcome == "kept"


async def test_a_question_in_other_words_finds_it(clever: Memories) -> None:
    await clever.remember(fact("Elbe Castings", "lead time", "9 days"))
    await clever.remember(fact("Oven 2", "colour", "grey"))
    found = await clever.recall("How long do we wait for deliveries from the foundry?")
    assert found[0].memory.object == "9 days"
    assert found[0].found_by == ("meaning",)
