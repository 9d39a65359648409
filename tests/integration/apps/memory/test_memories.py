"""Telling, contradicting, merging and recalling, on both databases."""

from typing import Any

import anyio
import pytest
from sqlalchemy import select

from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.memory.statement import Correction, Statement
from secondbasket.apps.memory.vectors import Embedder
from secondbasket.core.data_class import DataClass
from secondbasket.errors import Conflict, InvalidRequest, NotFound, UpstreamUnavailable
from secondbasket.stores.database import Database
from secondbasket.stores.schema import memory_vectors
from tests.integration.apps.memory.conftest import Make

pytestmark = pytest.mark.anyio


def day(number: int) -> str:
    return f"2026-10-{number:02d}T08:00:00.000Z"


def fact(
    subject: str, predicate: str, value: str, source: str = "task:t1", **more: Any
) -> Statement:
    return Statement(
        kind="fact",
        sources=(source,),
        subject=subject,
        predicate=predicate,
        object=value,
        **more,
    )


def episode(text: str, source: str = "task:t1", **more: Any) -> Statement:
    return Statement(kind="episode", sources=(source,), text=text, **more)


async def answers(memories: Memories, query: str, **more: Any) -> list[str]:
    return [each.memory.text for each in await memories.recall(query, **more)]


async def test_what_was_told_is_recalled_with_where_it_is_from(memories: Memories) -> None:
    kept = await memories.remember(fact("Press 3", "pressure limit", "5 bar"), at=day(1))
    assert kept.outcome == "kept"
    (found,) = await memories.recall("What is the pressure limit of press 3?")
    assert found.memory.object == "5 bar"
    assert found.memory.sources == ("task:t1",)
    assert found.memory.valid_from == day(1)
    assert found.found_by == ("words",)
    assert await memories.recall("Where do whales sleep?") == []


async def test_a_contradiction_ends_what_was_and_keeps_it_as_history(memories: Memories) -> None:
    old = await memories.remember(fact("Press 3", "limit", "5 bar"), at=day(1))
    new = await memories.remember(fact("the press 3", "has LIMIT", "6 bar"), at=day(9))
    assert (new.outcome, new.superseded) == ("superseded", (old.id,))
    assert await answers(memories, "press 3 limit") == ["the press 3 has LIMIT 6 bar"]
    assert await answers(memories, "press 3 limit", at=day(5)) == ["Press 3 limit 5 bar"]
    assert await answers(memories, "press 3 limit", at="2026-09-01T00:00:00Z") == []
    present, past = await memories.show(str(new.id))
    assert (present.state, past.state) == ("present", "contradicted")
    assert (past.valid_until, past.superseded_by) == (day(9), new.id)
    assert [each.id for each in await memories.listing()] == [new.id]
    assert len(await memories.listing(history=True)) == 2


async def test_what_comes_back_is_present_again(memories: Memories) -> None:
    outcomes = [
        (await memories.remember(fact("press", "limit", value), at=day(number))).outcome
        for number, value in enumerate(("5 bar", "6 bar", "5 bar"), start=1)
    ]
    assert outcomes == ["kept", "superseded", "superseded"]
    (found,) = await memories.recall("press limit")
    assert (found.memory.object, found.memory.valid_from) == ("5 bar", day(3))


async def test_what_was_so_earlier_goes_behind_what_is(memories: Memories) -> None:
    await memories.remember(fact("press", "limit", "6 bar"), at=day(9))
    told = fact("press", "limit", "5 bar", valid_from=day(2))
    assert (await memories.remember(told, at=day(10))).outcome == "history"
    assert await answers(memories, "press limit") == ["press limit 6 bar"]
    assert await answers(memories, "press limit", at=day(4)) == ["press limit 5 bar"]


async def test_what_has_an_end_ends_by_itself(memories: Memories) -> None:
    told = fact("gate", "code word", "heron", valid_from=day(1), valid_until=day(5))
    await memories.remember(told, at=day(1))
    assert await answers(memories, "gate code word", at=day(4)) == ["gate code word heron"]
    assert await answers(memories, "gate code word", at=day(5)) == []
    (past,) = await memories.listing(history=True)
    assert past.state == "past"
    again = await memories.remember(fact("gate", "code word", "heron"), at=day(9))
    assert again.outcome == "kept"


async def test_several_objects_contradict_nothing(memories: Memories) -> None:
    for language in ("French", "German", "French"):
        await memories.remember(fact("Anna", "speaks", language, several=True))
    assert sorted(await answers(memories, "Anna speaks")) == [
        "Anna speaks French",
        "Anna speaks German",
    ]


async def test_told_again_it_is_surer_not_there_twice(memories: Memories) -> None:
    first = await memories.remember(fact("press", "limit", "5 bar", "task:t1", confidence=0.6))
    same = await memories.remember(fact("press", "limit", "5 bar", "task:t1", confidence=0.6))
    assert (same.outcome, same.id) == ("merged", first.id)
    (found,) = await memories.listing()
    assert found.confidence == 0.6  # one who repeats himself makes nothing surer
    await memories.remember(fact("Press", "the limit", "5 BAR", "document:d1", confidence=0.5))
    (found,) = await memories.listing()
    assert found.confidence == 0.8
    assert found.sources == ("document:d1", "task:t1")


async def test_other_words_for_the_same_are_merged(make: Make, counting: Embedder) -> None:
    memories = make(counting)
    one = "Order 17 at Elbe was cancelled since drawings were outdated."
    other = "Since drawings were outdated, order 17 at Elbe was cancelled."
    kept = await memories.remember(episode(one))
    merged = await memories.remember(episode(other, "document:d1"))
    assert (merged.outcome, merged.id) == ("merged", kept.id)
    other_number = await memories.remember(episode(one.replace("17", "71")))
    assert other_number.outcome == "kept"


async def test_another_name_for_the_predicate_is_known_by_subject_and_object(
    make: Make, counting: Embedder
) -> None:
    memories = make(counting)
    await memories.remember(fact("Anna Berg", "phone extension", "4711"))
    again = await memories.remember(fact("Anna Berg", "extension phone", "4711"))
    assert again.outcome == "merged"
    other = await memories.remember(fact("Anna Borg", "phone extension", "4711"))
    assert other.outcome == "kept"


async def test_a_persons_word_yields_to_a_persons_only(memories: Memories) -> None:
    kept = await memories.remember(fact("press", "limit", "5 bar", "person:ann"), at=day(1))
    refused = await memories.remember(fact("press", "limit", "9 bar", "document:d"), at=day(2))
    assert (refused.outcome, refused.id) == ("contested", kept.id)
    assert await answers(memories, "press limit") == ["press limit 5 bar"]
    changed = await memories.remember(fact("press", "limit", "6 bar", "person:bo"), at=day(3))
    assert changed.outcome == "superseded"


@pytest.mark.parametrize(
    "text",
    [
        "The password of the wiki is Kp4-991-vX!q",
        "Deploy with ghp_aB3dE5gH7jK9mN2pQ4rS6tU8vW0xY2zA4bC6dE",
    ],
)
async def test_secrets_are_not_kept_and_not_repeated(memories: Memories, text: str) -> None:
    kept = await memories.remember(episode(text))
    assert kept.outcome == "refused"
    assert "secret" in kept.why or "password" in kept.why
    assert text.rsplit(maxsplit=1)[-1] not in kept.why
    assert await memories.listing(history=True) == []


async def test_what_a_detector_finds_raises_the_class(memories: Memories) -> None:
    iban = "DE89 3704 0044 0532 0130 00"
    await memories.remember(fact("Elbe Castings", "account", iban, data_class="public"))
    assert await memories.recall("Elbe Castings account") == []
    (found,) = await memories.recall("Elbe Castings account", most_class=DataClass.CONFIDENTIAL)
    assert found.memory.data_class == "confidential"


async def test_a_worker_sees_its_own_and_the_companys(memories: Memories) -> None:
    await memories.remember(fact("press", "limit", "5 bar"))
    await memories.remember(fact("press", "colour", "red", worker="clerk"))
    await memories.remember(fact("press", "weight", "9 t", worker="engineer"))
    assert len(await answers(memories, "press limit colour weight")) == 1
    assert len(await answers(memories, "press limit colour weight", worker="clerk")) == 2
    assert len(await answers(memories, "press limit colour weight", worker=None)) == 3


async def test_between_its_own_and_the_companys_the_later_answers(memories: Memories) -> None:
    await memories.remember(fact("press", "limit", "5 bar", worker="clerk"), at=day(1))
    await memories.remember(fact("press", "limit", "6 bar"), at=day(2))
    assert await answers(memories, "press limit", worker="clerk") == ["press limit 6 bar"]
    await memories.remember(fact("press", "limit", "7 bar", worker="clerk"), at=day(3))
    assert await answers(memories, "press limit", worker="clerk") == ["press limit 7 bar"]
    assert await answers(memories, "press limit") == ["press limit 6 bar"]


async def test_use_is_counted_where_it_is_asked_for(memories: Memories) -> None:
    await memories.remember(fact("press", "limit", "5 bar"))
    await memories.recall("press limit")
    await memories.recall("press limit", count=False)
    await memories.recall("press limit")
    (found,) = await memories.listing()
    assert found.uses == 2
    assert found.last_used is not None


async def test_a_key_keeps_once_whatever_happens_after(memories: Memories) -> None:
    told = fact("press", "limit", "5 bar")
    first = await memories.remember(told, key="k1")
    again = await memories.remember(fact("press", "limit", "8 bar"), key="k1")
    assert (again.outcome, again.id) == (first.outcome, first.id)
    (found,) = await memories.listing()
    assert found.object == "5 bar"
    await memories.erase("task:t1")
    replayed = await memories.remember(told, key="k1")
    assert replayed.outcome == "erased"
    assert await memories.listing(history=True) == []


async def test_what_is_derived_stands_on_what_it_was_derived_from(memories: Memories) -> None:
    base = await memories.remember(
        fact("press", "limit", "5 bar", data_class="confidential"), at=day(1)
    )
    summary = episode(
        "The press runs gently at low force, so its seals last",
        "task:t9",
        derived_from=(str(base.id),),
    )
    above = await memories.remember(summary, at=day(1))
    top = episode(
        "Gentle machines last longest of all machines", "task:t9", derived_from=(str(above.id),)
    )
    await memories.remember(top, at=day(1))
    found = await memories.recall("gentle machines", most_class=DataClass.CONFIDENTIAL)
    assert [each.memory.data_class for each in found] == ["confidential"]
    await memories.remember(fact("press", "limit", "6 bar"), at=day(2))
    assert await answers(memories, "gentle machines", most_class=DataClass.CONFIDENTIAL) == []
    states = {each.text: each.state for each in await memories.listing(history=True)}
    assert states["Gentle machines last longest of all machines"] == "unfounded"
    with pytest.raises(NotFound):
        await memories.remember(
            episode(
                "More of the same kind of thing as last year in spring", derived_from=("mem_no",)
            )
        )


async def test_a_correction_says_it_never_was_so(memories: Memories) -> None:
    wrong = await memories.remember(
        fact("press", "limit", "5 bar", text="The press has a limit of 5 bar."), at=day(1)
    )
    derived = episode(
        "The press is the weakest machine in the northern hall", derived_from=(str(wrong.id),)
    )
    await memories.remember(derived, at=day(1))
    done = await memories.correct(str(wrong.id), Correction(by="person:ann", object="8 bar"))
    assert done.memory.text == "The press has a limit of 8 bar."
    assert done.memory.valid_from == day(1)
    assert done.memory.sources == ("person:ann",)
    assert (done.receipt.memories, done.receipt.derived) == (1, 1)
    for moment in (None, day(2)):
        found = await memories.recall("press limit weakest machine", at=moment)
        assert [each.memory.object for each in found] == ["8 bar"]
    (right, old) = await memories.show(done.memory.id)
    assert (old.state, old.corrected_by) == ("corrected", right.id)
    with pytest.raises(Conflict):
        await memories.correct(str(wrong.id), Correction(by="person:ann", object="9 bar"))
    with pytest.raises(InvalidRequest, match="what it says"):
        await memories.correct(right.id, Correction(by="person:ann", object="8 BAR"))
    with pytest.raises(InvalidRequest, match="Only a person"):
        await memories.correct(right.id, Correction(by="task:t1", object="9 bar"))
    again = await memories.remember(fact("press", "limit", "5 bar"), at=day(5))
    assert again.outcome == "contested"


async def test_without_an_embedder_that_answers_words_do_and_vectors_follow(
    make: Make, counting: Embedder, database: Database
) -> None:
    down = True

    async def embed(texts: Any, data_class: DataClass) -> Any:
        if down:
            raise UpstreamUnavailable("it is loading")
        return await counting.embed(texts, data_class)

    memories = make(Embedder(model="letters", embed=embed))
    await memories.remember(fact("press", "limit", "5 bar"))
    assert await answers(memories, "press limit") == ["press limit 5 bar"]
    assert await memories.catch_up() == 0
    down = False
    assert await memories.catch_up() == 1
    assert await memories.catch_up() == 0
    rows = await database.read(lambda c: c.execute(select(memory_vectors.c.model)).all())
    assert rows == [("letters",)]
    (found,) = await memories.recall("press limit")
    assert found.found_by == ("words", "meaning")


async def test_vectors_of_another_model_are_made_anew(make: Make, counting: Embedder) -> None:
    await make(counting).remember(fact("press", "limit", "5 bar"))
    other = make(Embedder(model="other letters", embed=counting.embed))
    assert [each.found_by for each in await other.recall("press limit")] == [("words",)]
    assert await other.catch_up() == 1
    assert [each.found_by for each in await other.recall("press")] == [("words", "meaning")]


async def test_hygiene_tells_what_is_double_and_what_was_never_used(
    make: Make, counting: Embedder
) -> None:
    plain, clever = make(), make(counting)
    await plain.remember(episode("Order 17 at Elbe was cancelled since drawings were outdated."))
    await plain.remember(episode("Since drawings were outdated, order 17 at Elbe was cancelled."))
    await plain.remember(fact("press", "limit", "5 bar"), at=day(1))
    await plain.remember(fact("press", "limit", "6 bar"), at=day(2))
    await clever.catch_up()
    await clever.recall("press limit", limit=1)
    found = await clever.hygiene()
    assert (found.memories, found.present, found.compared) == (4, 3, 3)
    assert found.duplicate == pytest.approx(1 / 3, abs=1e-3)
    assert found.never_used == pytest.approx(2 / 3, abs=1e-3)
    assert found.contradicted == 0.25
    assert found.junk == 0


async def test_two_processes_that_tell_at_once_leave_one_present_value(
    make: Make, database_url: str
) -> None:
    other_database = Database(database_url)
    here, there = make(), make(over=other_database)
    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(here.remember, fact("press", "limit", f"{number} bar", "task:a"))
            tasks.start_soon(there.remember, fact("press", "limit", f"{number + 50} bar", "task:b"))
    other_database.close()
    states = [each.state for each in await here.listing(history=True)]
    assert states.count("present") == 1
    assert len(states) == 24
    assert len(await answers(here, "press limit")) == 1


async def test_one_key_at_once_keeps_one(make: Make) -> None:
    memories = make()
    outcomes: list[str | None] = []

    async def tell(number: int) -> None:
        kept = await memories.remember(fact(f"press {number}", "limit", "5 bar"), key="same")
        outcomes.append(kept.id)

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(tell, number)
    assert len(set(outcomes)) == 1
    assert len(await memories.listing(history=True)) == 1


@pytest.mark.parametrize("query", ["", "?!", "x" * 3000])
async def test_a_query_needs_words(memories: Memories, query: str) -> None:
    with pytest.raises(InvalidRequest):
        await memories.recall(query)
