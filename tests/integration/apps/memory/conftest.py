"""Memory over both databases, and the meanings of words without a model."""

from collections.abc import Callable, Sequence

import pytest

from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.memory.vectors import Embedder
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.policy.classification import Classification
from secondbasket.policy.policy import Policy, load_detectors
from secondbasket.policy.texts import Texts
from secondbasket.stores.database import Database
from tests.databases import database, database_url, postgres_socket

__all__ = ["database", "database_url", "postgres_socket"]

Make = Callable[..., Memories]


@pytest.fixture(scope="session")
def policy() -> Policy:
    return Policy(detectors=load_detectors().values())


@pytest.fixture
def decisions() -> list[Decision]:
    return []


@pytest.fixture
def make(database: Database, policy: Policy, decisions: list[Decision]) -> Make:
    """Memory over `database` with the real detectors, and an embedder where one is given."""

    async def classify(text: str, data_class: DataClass) -> Classification:
        return policy.classify(Texts(text), {"memory": data_class})

    def made(embedder: Embedder | None = None, *, over: Database = database) -> Memories:
        return Memories(over, classify=classify, record=decisions.append, embedder=embedder)

    return made


@pytest.fixture
def memories(make: Make) -> Memories:
    return make()


@pytest.fixture(scope="session")
def counting() -> Embedder:
    """Vectors that count letters: alike for texts of the same letters, and no more than that."""

    async def embed(texts: Sequence[str], _data_class: DataClass) -> Sequence[Sequence[float]]:
        return [[each.lower().count(chr(97 + n)) + 0.01 for n in range(26)] for each in texts]

    return Embedder(model="letters", embed=embed)
