"""Memory as a tool: once under a key, never in a person's name, and tainted by what it tells."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bench.memory import memories_over
from secondbasket.apps.memory.statement import Statement
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.memory import create
from secondbasket.core.data_class import DataClass
from secondbasket.core.plugins import load
from secondbasket.core.ports import Tool
from secondbasket.core.tool import NeverHappened, ToolCall
from secondbasket.errors import SettingsError, ToolFailed
from secondbasket.stores.database import Database

pytestmark = pytest.mark.anyio

FACT = {"kind": "fact", "subject": "press 3", "predicate": "limit", "object": "5 bar"}


def ground(database: Database | None, tmp_path: Path, **settings: str) -> ToolGround:
    def session(purpose: str, base_url: str | None) -> Any:
        raise AssertionError("memory opens no door")

    memories = None if database is None else memories_over(database, None)
    return ToolGround(session=session, settings=settings, programs=tmp_path, memories=memories)


def call(tmp_path: Path, key: str = "k1", **more: Any) -> ToolCall:
    fields: dict[str, Any] = {"task": "t1", "worker": "clerk", "folder": tmp_path}
    return ToolCall(key=key, **fields | {"arguments": FACT} | more)


@pytest.fixture
def tools(database: Database, tmp_path: Path) -> list[Tool]:
    return list(create(ground(database, tmp_path)))


async def test_what_is_remembered_is_recalled_with_its_class_and_its_sources(
    tools: list[Tool], tmp_path: Path
) -> None:
    recall, remember = tools
    told = {**FACT, "source": "document:d7"}
    outcome = await remember.call(call(tmp_path, arguments=told, data_class=DataClass.CONFIDENTIAL))
    assert outcome.data["outcome"] == "kept"
    answer = await recall.call(call(tmp_path, "k2", arguments={"query": "limit of press 3"}))
    assert "press 3 limit 5 bar" in answer.text
    assert answer.data_class == DataClass.CONFIDENTIAL
    assert answer.from_outside
    assert {each.source for each in answer.citations} == {"document:d7", "task:t1"}
    other = call(tmp_path, "k3", worker="engineer", arguments={"query": "limit of press 3"})
    assert (await recall.call(other)).data == []


async def test_one_key_acts_once_also_after_a_crash(tools: list[Tool], tmp_path: Path) -> None:
    recall, remember = tools
    assert remember.facts.takes_key
    assert remember.facts.effect == "write"
    assert await remember.reconcile(call(tmp_path)) == NeverHappened()
    first = await remember.call(call(tmp_path))
    assert await remember.reconcile(call(tmp_path)) == first
    again = await remember.call(call(tmp_path))
    assert again.data == first.data
    answer = await recall.call(call(tmp_path, "k2", arguments={"query": "press limit"}))
    assert [each["memory"]["confidence"] for each in answer.data] == [0.7]


async def test_a_worker_cannot_speak_for_a_person(tools: list[Tool], tmp_path: Path) -> None:
    _, remember = tools
    forged = {**FACT, "source": "person:the chief"}
    with pytest.raises(ToolFailed, match="document or a message"):
        await remember.call(call(tmp_path, arguments=forged))


async def test_what_is_not_kept_says_why(tools: list[Tool], tmp_path: Path) -> None:
    _, remember = tools
    greeting = {"kind": "episode", "text": "Good morning everyone!"}
    outcome = await remember.call(call(tmp_path, arguments=greeting))
    assert outcome.text == "Not remembered: it is a courtesy."
    with pytest.raises(ToolFailed, match="a fact needs"):
        await remember.call(call(tmp_path, "k2", arguments={"kind": "fact", "text": "Hm"}))


async def test_only_a_persons_own_word_does_not_taint(database: Database, tmp_path: Path) -> None:
    memories = memories_over(database, None)
    await memories.remember(
        Statement(
            kind="fact",
            sources=("person:ann",),
            subject="press 3",
            predicate="limit",
            object="5 bar",
            data_class="public",
        )
    )
    recall, _ = create(ground(database, tmp_path, most_class="internal"))
    answer = await recall.call(call(tmp_path, arguments={"query": "press limit"}))
    assert answer.data
    assert not answer.from_outside


async def test_the_family_is_found_by_its_entry_point(database: Database, tmp_path: Path) -> None:
    factory = load("secondbasket.tools", ["memory"])["memory"]
    names = [tool.facts.name for tool in factory(ground(database, tmp_path))]
    assert names == ["memory.recall", "memory.remember"]
    assert list(factory(ground(None, tmp_path))) == []
    with pytest.raises(SettingsError, match=r"tools\.memory\.most_class"):
        factory(ground(database, tmp_path, most_class="cosmic"))


async def test_the_schemas_are_schemas_and_take_these_calls(tools: list[Tool]) -> None:
    recall, remember = tools
    for tool, arguments in ((recall, {"query": "x"}), (remember, FACT)):
        Draft202012Validator.check_schema(tool.facts.parameters)
        Draft202012Validator(tool.facts.parameters).validate(arguments)
        assert not Draft202012Validator(tool.facts.parameters).is_valid({**arguments, "by": "me"})
