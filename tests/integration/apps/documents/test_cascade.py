"""What is remembered of a document goes with it, and the other way round."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from secondbasket.app.documents import bind
from secondbasket.apps.documents.desk import DocumentDesk
from secondbasket.apps.documents.records import DocumentRecords
from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.memory.statement import Statement
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.policy.classification import Classification
from secondbasket.stores.database import Database

pytestmark = pytest.mark.anyio


class House:
    """Documents and memory over one database, bound to each other."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.basket = "letters"
        self.folder = folder
        self.decisions: list[Decision] = []

        async def classify(_text: str, data_class: DataClass) -> Classification:
            return Classification(data_class=data_class, sources={})

        self.memories = Memories(
            database, classify=classify, record=self.decisions.append, embedder=None
        )
        self.desk = DocumentDesk(DocumentRecords(database), self, record=self.decisions.append)
        bind(self.desk, self.memories)

    async def __call__(
        self, texts: Sequence[str], data_class: DataClass
    ) -> Sequence[Sequence[float]]:
        return [[float(each.count(letter)) + 0.1 for letter in "aeiou"] for each in texts]

    def write(self, name: str, text: str) -> Path:
        path = self.folder / f"{name}.txt"
        path.write_text(text)
        return path

    async def learn(self, name: str, fact: str) -> str:
        """Add a file, and remember `fact` of it; its path."""
        path = self.write(name, f"In the file it says: {fact}.")
        await self.desk.add([str(path)], lambda _: None)
        subject, predicate, value = fact.split(maxsplit=2)
        told = await self.memories.remember(
            Statement(
                kind="fact",
                subject=subject,
                predicate=predicate,
                object=value,
                text=fact,
                sources=(f"document:{path}",),
                worker="clerk",
            )
        )
        assert told.outcome != "refused", told.why
        return str(path)

    async def known(self, name: str) -> tuple[int, int]:
        """How many documents there are at the file's path, and how many memories of it."""
        path = str(self.folder / f"{name}.txt")
        found = [each for each in await self.desk.documents(None) if each.source == path]
        kept = await self.memories.listing(source=f"document:{path}", history=True)
        return len(found), len(kept)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


async def test_memories_go_with_their_document(house: House) -> None:
    path = await house.learn("one", "Porto has a harbour")
    await house.learn("two", "Lyon has a museum")
    assert await house.known("one") == (1, 1)
    await house.desk.remove(path, collection="documents")
    assert await house.known("one") == (0, 0)
    assert await house.known("two") == (1, 1)


async def test_a_document_goes_with_what_is_erased_as_its_memory(house: House) -> None:
    path = await house.learn("one", "Porto has a harbour")
    await house.learn("two", "Lyon has a museum")
    receipt = await house.memories.erase(f"document:{path}")
    assert await house.known("one") == (0, 0)
    assert await house.known("two") == (1, 1)
    assert "documents" in str(receipt.places)
    assert [each.kind for each in house.decisions].count("documents_erased") == 1


async def test_what_changed_is_forgotten_and_stays_to_be_read(house: House) -> None:
    await house.learn("one", "Porto has a harbour")
    house.write("one", "Porto has an airport.")
    await house.desk.add([str(house.folder / "one.txt")], lambda _: None)
    assert await house.known("one") == (1, 0)


async def test_a_path_too_long_for_memory_is_erased_all_the_same(house: House) -> None:
    folder = house.folder / ("x" * 120) / ("y" * 120)
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("Something.")
    await house.desk.add([str(folder)], lambda _: None)
    erased = await house.desk.remove(str(folder), collection="documents")
    assert len(erased.sources) == 1
