"""Documents on SQLite and PostgreSQL: read once, found by words and meaning, erased for good."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from secondbasket.apps.documents import records
from secondbasket.apps.documents.desk import DocumentDesk
from secondbasket.apps.documents.records import DocumentRecords
from secondbasket.apps.tools.documents import create
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.document import FileRead, Ingested
from secondbasket.core.tool import NeverHappened, ToolCall
from secondbasket.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    SettingsError,
    ToolFailed,
    UpstreamUnavailable,
)
from secondbasket.stores.database import Database
from secondbasket.stores.schema import passages
from tests import papers

pytestmark = pytest.mark.anyio

# A tiny model of meaning: which of these subjects a text speaks of, in whatever words.
SUBJECTS = (("car", "automobile", "vehicle"), ("money", "salary", "wage"), ("rain", "weather"))


class Meaning:
    """Vectors of subjects; counts what it was asked for, and fails when told to."""

    def __init__(self) -> None:
        self.basket = "subjects"
        self.asked: list[tuple[str, DataClass]] = []
        self.fails = False

    async def __call__(
        self, texts: Sequence[str], data_class: DataClass
    ) -> Sequence[Sequence[float]]:
        if self.fails:
            raise UpstreamUnavailable("It is down.")
        self.asked += [(each, data_class) for each in texts]
        return [
            [0.01, *(float(any(word in each.lower() for word in words)) for words in SUBJECTS)]
            for each in texts
        ]


class House:
    """A desk over one database, and what it told."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.meaning = Meaning()
        self.decisions: list[Decision] = []
        self.gone: list[tuple[str, tuple[str, ...]]] = []
        self.desk = DocumentDesk(
            DocumentRecords(database), self.meaning, record=self.decisions.append
        )

        async def hear(collection: str, sources: Sequence[str]) -> None:
            self.gone.append((collection, tuple(sources)))

        self.desk.on_gone(hear)

    def write(self, **contents: str) -> None:
        for name, content in contents.items():
            (self.folder / f"{name}.txt").write_text(content)

    async def add(self, **more: Any) -> Ingested:
        return await self.desk.add([str(self.folder)], lambda _: None, **more)

    async def found(self, question: str, **more: Any) -> list[str]:
        answer = await self.desk.search.search(question, **more)
        return [Path(each.source).stem for each in answer.found]

    async def count(self, **where: str) -> int:
        query = select(func.count()).select_from(passages)
        for name, value in where.items():
            query = query.where(passages.c[name] == value)
        found = await self.database.read(lambda c: c.scalar(query))
        assert found is not None
        return found

    async def indexed(self, word: str) -> int:
        """How many entries of the word index hold `word`, asked past all our own code."""
        if self.database.is_sqlite:
            query = text("SELECT count(*) FROM passages_words WHERE passages_words MATCH :word")
        else:
            query = text(
                "SELECT count(*) FROM passages WHERE words @@ plainto_tsquery('english', :word)"
            )
        found = await self.database.read(lambda c: c.scalar(query, {"word": word}))
        assert found is not None
        return int(found)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    folder = tmp_path / "papers"
    folder.mkdir()
    return House(database, folder)


async def test_found_by_words_and_by_meaning(house: House) -> None:
    house.write(
        fleet="Every vehicle is washed on Friday.",
        pay="The salary comes on the last day.",
        sky="Umbrellas help against bad weather.",
    )
    done = await house.add()
    assert (done.added, done.passages, done.unreadable) == (3, 3, ())
    answer = await house.desk.search.search("umbrellas")
    assert answer.by == "words and meaning"
    best = answer.found[0]
    assert (best.source, best.place) == (str(house.folder / "sky.txt"), "line 1")
    assert best.text == "Umbrellas help against bad weather."
    assert (best.data_class, best.collection) == ("internal", "documents")
    assert best.score > answer.found[-1].score > 0
    # No word of these questions is in the passage: its meaning alone finds it.
    assert (await house.found("wage", limit=1)) == ["pay"]
    assert (await house.found("automobile", limit=1)) == ["fleet"]
    assert await house.found("washing vehicles", meaning=False) == ["fleet"]


async def test_words_alone_where_no_vector_can_be_had(house: House) -> None:
    house.write(fleet="Every vehicle is washed on Friday.")
    await house.add()
    house.meaning.fails = True
    answer = await house.desk.search.search("which vehicle")
    assert (answer.by, [Path(each.source).stem for each in answer.found]) == ("words", ["fleet"])
    assert "It is down" in answer.note
    house.meaning.fails = False
    house.meaning.basket = "another"
    assert "are not of 'another'" in (await house.desk.search.search("vehicle")).note
    with pytest.raises(Conflict, match="are of 'subjects'"):
        await house.add()


async def test_frequent_words_count_where_there_are_no_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_MANY", 2)
    house.write(
        a="The contract names a harbour.",
        b="The contract names a tenant.",
        c="The contract names a harbour and a tenant.",
        d="Of the contract, a harbour.",
        e="Of a tenant with a parrot.",
    )
    await house.add()
    # Three and more hold each of these words: those with all of them are best.
    assert (await house.found("harbour tenant contract", meaning=False))[0] == "c"
    if house.database.is_sqlite:
        assert await house.found("harbour tenant contract", meaning=False) == ["c"]
        assert await house.found("contract parrot", meaning=False) == ["e"]
    assert "a" in await house.found("harbour", meaning=False)
    assert await house.found("absent", meaning=False) == []


async def test_questions_of_any_letters(house: House) -> None:
    house.write(a='A quoted "word" and an apostrophe\'s end.')
    await house.add()
    for question in (
        '"word"',
        "apostrophe's AND",
        "NEAR(",
        "*",
        "a:b",
        "') OR 1=1 --",
        "'|&!",
        "\\",
    ):
        await house.found(question)
    assert await house.found('an "apostrophe"', meaning=False) == ["a"]
    for wrong in ("", "  ", "x" * 2001):
        with pytest.raises(InvalidRequest):
            await house.found(wrong)
    with pytest.raises(InvalidRequest):
        await house.found("word", limit=0)
    with pytest.raises(NotFound, match="no collection 'absent'"):
        await house.found("word", collections=["absent"])


async def test_unchanged_files_are_not_read_again(house: House) -> None:
    house.write(a="One vehicle.", b="Two vehicles.")
    told: list[FileRead] = []
    await house.desk.add([str(house.folder)], told.append)
    assert [each.done for each in told] == [1, 2]
    assert {each.total for each in told} == {2}
    asked = len(house.meaning.asked)
    again = await house.add()
    assert (again.added, again.changed, again.unchanged, again.passages) == (0, 0, 2, 0)
    assert len(house.meaning.asked) == asked
    assert house.gone == []


async def test_a_changed_file_supersedes_what_it_was(house: House) -> None:
    house.write(a="The password of the safe is swordfish.", b="Of other things.")
    await house.add()
    await house.found("safe")  # so that its vectors are in memory
    house.write(a="The safe was sold for money.")
    done = await house.add()
    assert (done.changed, done.unchanged) == (1, 1)
    assert await house.found("swordfish", meaning=False) == []
    assert await house.indexed("swordfish") == 0
    assert await house.found("wage", limit=1) == ["a"]
    assert house.gone == [("documents", (str(house.folder / "a.txt"),))]
    assert await house.count() == 2


async def test_a_removed_file_is_removed_and_files_elsewhere_stay(house: House) -> None:
    elsewhere = house.folder.parent / "papers-of-others.txt"
    elsewhere.write_text("Of vehicles elsewhere.")
    house.write(a="Of vehicles here.", b="Of rain.")
    await house.add()
    await house.desk.add([str(elsewhere)], lambda _: None)
    (house.folder / "a.txt").unlink()
    done = await house.add()
    assert (done.removed, done.unchanged) == (1, 1)
    assert await house.found("vehicles", meaning=False) == ["papers-of-others"]


async def test_a_moved_file_is_not_read_again(house: House) -> None:
    house.write(a="One vehicle.")
    await house.add()
    asked = len(house.meaning.asked)
    (house.folder / "a.txt").rename(house.folder / "b.txt")
    done = await house.add()
    assert (done.added, done.removed, done.passages) == (1, 1, 0)
    assert len(house.meaning.asked) == asked
    assert await house.found("vehicle") == ["b"]


async def test_copies_share_their_passages_until_the_last_is_gone(house: House) -> None:
    house.write(a="One vehicle.", b="One vehicle.")
    await house.add()
    assert await house.count() == 1
    first = await house.desk.remove(str(house.folder / "a.txt"), collection="documents")
    assert (len(first.sources), first.passages) == (1, 0)
    assert await house.found("vehicle") == ["b"]
    last = await house.desk.remove(str(house.folder / "b.txt"), collection="documents")
    assert (last.passages, last.vectors, last.words) == (1, 1, 1)
    assert await house.found("vehicle") == []


async def test_copies_that_come_at_once_are_read_into_one(house: House) -> None:
    house.write(**dict.fromkeys("abcdefgh", "One vehicle."))
    done = await house.add()
    assert (done.added, await house.count()) == (8, 1)


async def test_a_bad_file_costs_no_other(house: House) -> None:
    house.write(good="A good vehicle.", empty="")
    papers.pdf(house.folder / "locked.pdf", ["A secret."], password="secret")
    whole = papers.docx(house.folder / "broken.docx")
    whole.write_bytes(whole.read_bytes()[:2000])
    (house.folder / "image.png").write_bytes(b"PNG")
    done = await house.add()
    assert (done.added, done.skipped) == (1, 1)
    assert [Path(each.source).name for each in done.unreadable] == [
        "broken.docx",
        "empty.txt",
        "locked.pdf",
    ]
    assert all(each.source in each.problem for each in done.unreadable)
    assert await house.found("vehicle") == ["good"]
    assert house.decisions[-1].outcome == "partly"


async def test_a_file_that_went_bad_keeps_what_it_held(house: House) -> None:
    house.write(a="A vehicle.")
    await house.add()
    house.write(a="")
    done = await house.add()
    assert [each.source for each in done.unreadable] == [str(house.folder / "a.txt")]
    assert await house.found("vehicle") == ["a"]


async def test_a_model_that_is_down_leaves_no_half_document(house: House) -> None:
    house.write(a="A vehicle.")
    house.meaning.fails = True
    done = await house.add()
    assert "It is down" in done.unreadable[0].problem
    assert (await house.count(), await house.desk.documents("documents")) == (0, [])
    house.meaning.fails = False
    assert (await house.add()).added == 1


async def test_erasing_says_what_went_and_leaves_nothing(house: House) -> None:
    house.write(a="The patient is Ann Archer.", b="Nothing of note.")
    await house.add()
    assert await house.indexed("archer") == 1
    [document] = [
        each for each in await house.desk.documents("documents") if "a.txt" in each.source
    ]
    erased = await house.desk.remove(document.id, collection="documents")
    assert erased.sources == (str(house.folder / "a.txt"),)
    assert (erased.passages, erased.vectors, erased.words) == (1, 1, 1)
    assert await house.found("Ann Archer", meaning=False) == []
    assert await house.indexed("archer") == 0
    assert await house.count(sha256=document.sha256) == 0
    assert house.gone[-1] == ("documents", erased.sources)
    decision = house.decisions[-1]
    assert (decision.kind, decision.detail["passages"]) == ("documents_erased", "1")
    with pytest.raises(NotFound, match="Nothing in 'documents'"):
        await house.desk.remove(document.id, collection="documents")


async def test_erased_words_are_not_left_in_the_file(house: House, tmp_path: Path) -> None:
    if not house.database.is_sqlite:
        pytest.skip("PostgreSQL's pages are its own business")
    house.write(a="The codeword was xylophonist.", b="Nothing of note.")
    await house.add()
    await house.desk.remove(str(house.folder / "a.txt"), collection="documents")
    rows = await house.database.read(
        lambda c: c.exec_driver_sql("SELECT block FROM passages_words_data").all()
    )
    assert not any(b"xylophonist"[:8] in bytes(row[0]) for row in rows)


async def test_a_folder_and_a_collection_are_erased_whole(house: House) -> None:
    (house.folder / "sub").mkdir()
    (house.folder / "sub" / "c.txt").write_text("Rain in the sub.")
    house.write(a="A vehicle.", b="Money.")
    await house.add(collection="one")
    await house.add(collection="two", data_class=DataClass.SECRET)
    erased = await house.desk.remove(str(house.folder / "sub"), collection="one")
    assert [Path(each).name for each in erased.sources] == ["c.txt"]
    erased = await house.desk.remove(None, collection="one")
    assert (len(erased.sources), erased.passages) == (2, 2)
    assert [each.name for each in await house.desk.collections()] == ["two"]
    assert await house.count(collection="one") == 0
    assert sorted(await house.found("vehicle", limit=3)) == ["a", "b", "c"]


async def test_collections_keep_apart_and_have_a_class(house: House) -> None:
    house.write(a="A vehicle.")
    await house.add(collection="open", data_class=DataClass.PUBLIC)
    house.write(b="A secret vehicle.")
    await house.add(collection="closed", data_class=DataClass.SECRET)
    assert {each for _, each in house.meaning.asked} == {DataClass.PUBLIC, DataClass.SECRET}
    assert await house.found("vehicle", collections=["open"]) == ["a"]
    assert sorted(await house.found("vehicle", collections=["closed"])) == ["a", "b"]
    assert await house.found("vehicle", collections=[]) == []
    [closed, opened] = await house.desk.collections()
    assert (closed.data_class, closed.documents, closed.passages) == ("secret", 2, 2)
    assert (opened.data_class, opened.embedding) == ("public", "subjects")
    with pytest.raises(Conflict, match="its class does not change"):
        await house.add(collection="open", data_class=DataClass.SECRET)
    with pytest.raises(InvalidRequest, match="no name of a collection"):
        await house.add(collection="../up")


async def test_two_desks_see_what_the_other_did(house: House, database_url: str) -> None:
    house.write(a="A vehicle.")
    await house.add()
    other = House(Database(database_url), house.folder)
    assert await other.found("automobile", limit=1) == ["a"]
    house.write(b="Two wages.")
    await house.add()
    assert await other.found("money", limit=1) == ["b"]
    await house.desk.remove(str(house.folder / "b.txt"), collection="documents")
    assert await other.found("money") == ["a"]
    other.database.close()


async def test_tools_cite_and_read_on(house: House) -> None:
    lines = "\n\n".join(f"Paragraph {n} of the contract is about rain." for n in range(60))
    house.write(contract=f"{lines}\n\nThe vehicle belongs to Ann.")
    await house.add(data_class=DataClass.CONFIDENTIAL)
    search, reader = create(_ground(house))
    outcome = await search.call(_call(house, question="who owns the automobile", limit=1))
    assert outcome.text.startswith(f"[1] {house.folder}/contract.txt, lines ")
    assert "belongs to Ann" in outcome.text
    assert (outcome.data_class, outcome.from_outside) == (DataClass.CONFIDENTIAL, True)
    [citation] = outcome.citations
    assert citation.source == str(house.folder / "contract.txt")
    assert citation.place.startswith("lines ")
    assert house.meaning.asked[-1] == ("who owns the automobile", DataClass.SECRET)
    whole = await reader.call(_call(house, document=citation.source))
    assert "Paragraph 0 of" in whole.text
    assert "belongs to Ann" in whole.text
    last = await reader.call(_call(house, document=citation.source, passage=2))
    assert "Paragraph 0 of" not in last.text
    assert "belongs to Ann" in last.text
    assert (last.data_class, last.from_outside) == (DataClass.CONFIDENTIAL, True)
    beyond = await reader.call(_call(house, document=citation.source, passage=99))
    assert beyond.text == "The document has no passage there."
    nothing = await search.call(_call(house, question="zzz", collection="documents"))
    assert nothing.text
    assert await search.reconcile(_call(house)) == NeverHappened()
    assert await reader.reconcile(_call(house)) == NeverHappened()


async def test_a_tool_reads_no_file_and_no_other_collection(house: House) -> None:
    house.write(a="A vehicle.")
    await house.add(collection="open")
    await house.add(collection="closed", data_class=DataClass.SECRET)
    (house.folder / "unread.txt").write_text("Not added.")
    search, reader = create(_ground(house, collections=["open"]))
    for path in (
        "/etc/passwd",
        str(house.folder / "unread.txt"),
        f"{house.folder}/../papers/a.txt",
        "papers/a.txt",
    ):
        with pytest.raises(ToolFailed, match="no document"):
            await reader.call(_call(house, document=path))
    closed = [each.id for each in await house.desk.documents("closed")]
    for identity in closed:
        with pytest.raises(ToolFailed, match="no document"):
            await reader.call(_call(house, document=identity))
    with pytest.raises(ToolFailed, match="no collection 'closed'"):
        await search.call(_call(house, question="vehicle", collection="closed"))
    outcome = await search.call(_call(house, question="vehicle"))
    assert outcome.data_class == DataClass.INTERNAL
    with pytest.raises(SettingsError):
        create(_ground(house, collections="open"))


async def test_a_worker_finds_nothing_beyond_its_knowledge(house: House) -> None:
    for collection, said in (("rain", "It rains in May."), ("pay", "Ann earns 4,000.")):
        house.write(a=said)
        await house.add(collection=collection)
    search, reader = create(_ground(house))
    knows_rain = partial(_call, house, knowledge=("rain",))
    found = await search.call(knows_rain(question="what does Ann earn"))
    assert "4,000" not in found.text
    with pytest.raises(ToolFailed, match="no collection 'pay'"):
        await search.call(knows_rain(question="what does Ann earn", collection="pay"))
    [secret] = await house.desk.documents("pay")
    with pytest.raises(ToolFailed, match="no document"):
        await reader.call(knows_rain(document=secret.id))
    everything = await search.call(_call(house, question="what does Ann earn"))
    assert "4,000" in everything.text
    # What the house keeps from all workers, no worker's file can give.
    search, _ = create(_ground(house, collections=["pay"]))
    with pytest.raises(ToolFailed, match="no collection 'rain'"):
        await search.call(knows_rain(question="rain", collection="rain"))


async def test_an_ingest_that_is_called_off_leaves_whole_documents(house: House) -> None:
    house.write(**{f"n{number}": f"Vehicle number {number}." for number in range(8)})
    some = asyncio.Event()

    def report(read: FileRead) -> None:
        if read.done == 2:
            some.set()

    adding = asyncio.create_task(house.desk.add([str(house.folder)], report))
    await some.wait()
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    there = await house.desk.documents("documents")
    assert 2 <= len(there) < 8
    assert await house.count() == len(there)
    done = await house.add()
    assert done.added == 8 - len(there)


def _ground(house: House, **settings: Any) -> ToolGround:
    def session(_purpose: str, _base: str | None) -> Any:
        raise AssertionError

    return ToolGround(
        session=session, settings=settings, programs=house.folder, search=house.desk.search
    )


def _call(house: House, *, knowledge: Sequence[str] = (), **arguments: Any) -> ToolCall:
    return ToolCall(
        key="k",
        task="t",
        worker="w",
        arguments=arguments,
        folder=house.folder,
        data_class=DataClass.SECRET,
        knowledge=knowledge,
    )
