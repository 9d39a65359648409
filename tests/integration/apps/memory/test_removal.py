"""What was erased is nowhere any more: no table, no index, no file; and others hear of it."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, LargeBinary, func, select

from secondbasket.apps.memory.cascade import Removal
from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.memory.statement import Correction
from secondbasket.apps.memory.vectors import Embedder
from secondbasket.core.decision import Decision
from secondbasket.errors import InvalidRequest, NotFound, StoreError
from secondbasket.stores.database import Database
from secondbasket.stores.schema import memory_erasures, metadata
from tests.integration.apps.memory.conftest import Make
from tests.integration.apps.memory.test_memories import answers, day, episode, fact

pytestmark = pytest.mark.anyio

_TABLES = [table for table in metadata.sorted_tables if table.name.startswith("memor")]


def contents(connection: Connection) -> str:
    """Every text in every table, memory's and others'."""
    return "\n".join(
        cell
        for table in metadata.sorted_tables
        for row in connection.execute(select(table))
        for cell in row
        if isinstance(cell, str)
    )


def counts(connection: Connection) -> dict[str, int]:
    return {
        table.name: connection.scalar(select(func.count()).select_from(table)) or 0
        for table in _TABLES
    }


async def test_what_only_a_source_told_is_nowhere(
    make: Make, counting: Embedder, database: Database, decisions: list[Decision]
) -> None:
    memories = make(counting)
    gone = await memories.remember(
        fact("Quillfeather", "nickname", "Zanzibar", "message:m1"), key="k"
    )
    stays = await memories.remember(fact("press", "limit", "5 bar", "document:d1"))
    receipt = await memories.erase("message:m1")
    assert (receipt.memories, receipt.derived, receipt.kept) == (1, 0, 0)
    assert receipt.places == {"tellings": 1, "memories": 1, "words": 3, "vectors": 1}
    assert receipt.ids_sha256 == sha256(f"{gone.id}\n".encode()).hexdigest()
    assert receipt.complete
    held = (await database.read(contents)).casefold()
    assert "quillfeather" not in held
    assert "zanzibar" not in held
    assert "message:m1" not in held
    assert [each.id for each in await memories.listing(history=True)] == [stays.id]
    assert await answers(memories, "Quillfeather nickname Zanzibar") == ["press limit 5 bar"]
    (decision,) = decisions
    assert (decision.kind, decision.subject, decision.outcome) == (
        "memory_erased",
        receipt.id,
        "done",
    )
    assert decision.detail["ids_sha256"] == receipt.ids_sha256
    assert "m1" not in str(decision.detail)


async def test_all_tables_are_empty_once_all_is_erased(
    make: Make, counting: Embedder, database: Database
) -> None:
    memories = make(counting)
    base = await memories.remember(fact("press", "limit", "5 bar"), at=day(1))
    await memories.remember(fact("press", "limit", "6 bar"), at=day(2))
    await memories.remember(
        episode("A press got stronger after its 3 seals were changed", derived_from=(str(base.id),))
    )
    await memories.erase("task:t1")
    found = await database.read(counts)
    assert {name for name, count in found.items() if count} == {"memory_erasures"}


async def test_what_another_told_too_stays_in_its_words(
    make: Make, counting: Embedder, database: Database
) -> None:
    memories = make(counting)
    mine = fact("press", "limit", "5 bar", "message:m1", text="Zorro says the press limit is 5 bar")
    await memories.remember(mine)
    await memories.remember(fact("Press", "Limit", "5 bar", "document:d1", confidence=0.4))
    receipt = await memories.erase("message:m1")
    assert (receipt.memories, receipt.kept) == (0, 1)
    (left,) = await memories.listing()
    assert (left.text, left.sources, left.confidence) == (
        "Press Limit 5 bar",
        ("document:d1",),
        0.4,
    )
    assert "zorro" not in (await database.read(contents)).casefold()
    (found,) = await memories.recall("press limit")
    assert found.found_by == ("words", "meaning")  # its vector is of the words that are left


async def test_what_was_derived_falls_with_it_however_far(memories: Memories) -> None:
    base = await memories.remember(fact("press", "limit", "5 bar", "document:d1"))
    one = await memories.remember(
        episode(
            "The press is gentle to seals, gaskets and hoses",
            "task:t2",
            derived_from=(str(base.id),),
        )
    )
    await memories.remember(
        episode(
            "Gentle machines need fewer seals and last longest",
            "task:t3",
            derived_from=(str(one.id),),
        )
    )
    receipt = await memories.erase("document:d1")
    assert (receipt.memories, receipt.derived) == (1, 2)
    assert await memories.listing(history=True) == []


async def test_a_telling_needs_all_that_it_rests_on(memories: Memories) -> None:
    told = fact("press", "limit", "5 bar")
    both = msgspec.structs.replace(told, sources=("task:t1", "document:d1"))
    await memories.remember(both)
    assert (await memories.erase("document:d1")).memories == 1
    assert await memories.listing(history=True) == []


async def test_what_the_erased_had_ended_holds_again(memories: Memories) -> None:
    await memories.remember(fact("press", "limit", "5 bar", "document:d1"), at=day(1))
    await memories.remember(fact("press", "limit", "9 bar", "message:m1"), at=day(2))
    await memories.erase("message:m1")
    (found,) = await memories.recall("press limit")
    assert (found.memory.object, found.memory.valid_until) == ("5 bar", None)


async def test_forgetting_takes_the_whole_story(memories: Memories) -> None:
    await memories.remember(fact("Ann", "phone", "4711"), at=day(1))
    new = await memories.remember(fact("Ann", "phone", "4712"), at=day(2))
    done = await memories.correct(str(new.id), Correction(by="person:ann", object="4713"))
    await memories.remember(fact("Ann", "room", "B2"), at=day(2))
    receipt = await memories.forget(done.memory.id)
    assert (receipt.reason, receipt.memories) == ("forgotten", 3)
    assert [each.object for each in await memories.listing(history=True)] == ["B2"]
    with pytest.raises(NotFound):
        await memories.forget(done.memory.id)


async def test_a_source_that_told_nothing_gives_a_receipt_that_says_so(memories: Memories) -> None:
    receipt = await memories.erase("document:never")
    assert (receipt.memories, receipt.places) == (0, {})
    assert receipt.ids_sha256 == sha256(b"").hexdigest()
    with pytest.raises(InvalidRequest):
        await memories.erase("never")


async def test_others_who_listen_remove_their_part(memories: Memories) -> None:
    heard: list[Removal] = []

    async def checkpoints(removal: Removal) -> Mapping[str, int]:
        heard.append(removal)
        return {"task checkpoints": 4}

    memories.on_removal("tasks", checkpoints)
    kept = await memories.remember(fact("press", "limit", "5 bar", "document:d1"))
    receipt = await memories.erase("document:d1")
    assert receipt.places["task checkpoints"] == 4
    (removal,) = heard
    assert (removal.reason, removal.target) == ("erased", "document:d1")
    assert list(removal.memories) == [kept.id]


async def test_who_could_not_remove_its_part_is_named_and_asked_again(
    memories: Memories, make: Make, database: Database, decisions: list[Decision]
) -> None:
    broken = True

    async def documents(removal: Removal) -> Mapping[str, int]:
        if broken:
            raise StoreError("the disk is gone")
        return {"document chunks": 7}

    memories.on_removal("documents", documents)
    await memories.remember(fact("press", "limit", "5 bar", "person:Ann Berg"))
    receipt = await memories.erase("person:Ann Berg")
    assert receipt.failed == {"documents": "the disk is gone"}
    assert decisions[-1].outcome == "failed"
    assert await memories.listing(history=True) == []  # ours is gone all the same

    broken = False
    later = make()  # as after a restart
    later.on_removal("documents", documents)
    (again,) = await later.resume()
    assert again.id == receipt.id
    assert (again.target, again.complete) == ("person:Ann Berg", True)
    assert again.places == {**receipt.places, "document chunks": 7}
    assert decisions[-1].outcome == "done"
    assert await later.resume() == []
    assert "Ann Berg" not in await database.read(contents)
    (kept,) = await later.receipts()
    assert kept.places == again.places


async def test_a_process_that_died_between_finishes_at_its_next_start(
    make: Make, database: Database, decisions: list[Decision]
) -> None:
    class Killed(BaseException):
        pass

    async def dies(removal: Removal) -> Mapping[str, int]:
        raise Killed

    memories = make()
    memories.on_removal("tasks", dies)
    await memories.remember(fact("press", "limit", "5 bar", "document:d1"))
    with pytest.raises(Killed):
        await memories.erase("document:d1")
    assert decisions == []
    later = make()
    (receipt,) = await later.resume()
    assert (receipt.memories, receipt.target) == (1, "document:d1")
    assert [each.kind for each in decisions] == ["memory_erased"]
    open_ones = select(memory_erasures.c.id).where(memory_erasures.c.removal.is_not(None))
    assert await database.read(lambda c: c.execute(open_ones).all()) == []


async def test_nothing_of_it_is_left_in_the_files_of_sqlite(
    make: Make, counting: Embedder, database: Database, tmp_path: Path
) -> None:
    """Free pages and the log are files too."""
    if not database.is_sqlite:
        pytest.skip("PostgreSQL's files are its own; docs/memory.md says what follows")
    memories = make(counting)
    for number in range(120):
        source = "message:m1" if number % 3 == 0 else "document:d1"
        word = "Zanzibar" if number % 3 == 0 else "harmless"
        await memories.remember(fact(f"press {number}", "nickname", f"{word}{number}", source))
        if number % 6 == 0:  # said again, so that rows are written over
            await memories.remember(
                fact(f"press {number}", "nickname", f"{word}{number}", "message:m2")
            )
    await memories.erase("message:m1")
    await memories.erase("message:m2")
    held = _bytes(tmp_path)
    assert b"harmless" in held
    assert b"anzibar" not in held


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("basket.db*"))


def test_the_only_columns_of_bytes_are_vectors() -> None:
    """`contents` reads texts; were there others that hold bytes, it would not see them."""
    binary = [
        f"{table.name}.{column.name}"
        for table in _TABLES
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    ]
    assert binary == ["memory_vectors.vector"]
