"""Patterns and schemas run where they can be stopped, and never reach out."""

import time
from collections.abc import AsyncIterator

import anyio
import pytest

from secondbasket.maas.parity.examiner import CannotTell, Examiner
from tests.scripted_upstream import Exchange, scripted_upstream

pytestmark = pytest.mark.anyio


@pytest.fixture
async def examiner() -> AsyncIterator[Examiner]:
    async with Examiner() as found:
        yield found


async def test_a_pattern_matches_somewhere_or_says_that_it_does_not(examiner: Examiner) -> None:
    assert await examiner.match(r"\bParis\b", "It is Paris.", ignore_case=False) == ""
    assert await examiner.match(r"\bparis\b", "It is Paris.", ignore_case=False)
    assert await examiner.match(r"\bparis\b", "It is Paris.", ignore_case=True) == ""
    assert await examiner.match("ä.€", "ä\u2028€", ignore_case=False) == ""


async def test_a_pattern_that_runs_away_is_stopped_and_the_next_is_answered(
    examiner: Examiner,
) -> None:
    began = time.monotonic()
    with pytest.raises(CannotTell, match="too long"):
        await examiner.match("(a+)+$", "a" * 60 + "b", ignore_case=False)
    assert time.monotonic() - began < 25
    assert await examiner.match("b", "abc", ignore_case=False) == ""


async def test_a_schema_accepts_or_says_what_is_broken_without_quoting(examiner: Examiner) -> None:
    schema = {
        "type": "object",
        "properties": {"amount": {"$ref": "#/$defs/positive"}},
        "required": ["amount"],
        "$defs": {"positive": {"type": "integer", "minimum": 1}},
    }
    assert await examiner.validate(schema, {"amount": 3}) == ""
    told = await examiner.validate(schema, {"amount": "secret"})
    assert told == "$.amount breaks 'type'"
    assert await examiner.validate(schema, []) == "$ breaks 'type'"
    assert await examiner.validate({}, None) == ""


async def test_a_schema_that_is_none_is_told_from_one(examiner: Examiner) -> None:
    assert await examiner.check_schema({"type": "object"}) == ""
    assert "wrong at $.type" in await examiner.check_schema({"type": "objekt"})


async def test_a_reference_to_elsewhere_is_not_followed(examiner: Examiner) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.plain({})

    async with scripted_upstream(script) as elsewhere:
        told = await examiner.validate({"$ref": f"{elsewhere.base_url}/schema"}, {})
    assert "which is not part of it" in told
    assert not elsewhere.exchanges


async def test_a_schema_with_a_pattern_that_runs_away_is_stopped(examiner: Examiner) -> None:
    with pytest.raises(CannotTell):
        await examiner.validate({"pattern": "(a+)+$"}, "a" * 60 + "b")


async def test_a_question_that_is_given_up_does_not_answer_the_next(examiner: Examiner) -> None:
    assert await examiner.match("a", "a", ignore_case=False) == ""
    with anyio.move_on_after(0.05):
        await examiner.match("(a+)+$", "a" * 26 + "b", ignore_case=False)
    assert await examiner.match("c", "c", ignore_case=False) == ""


async def test_the_child_knows_nothing_of_this_process(
    examiner: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVIDER_KEY", "sk-secret")
    await examiner.match("a", "a", ignore_case=False)
    assert examiner._child is not None
    environment = await anyio.Path(f"/proc/{examiner._child.pid}/environ").read_bytes()
    assert b"sk-secret" not in environment
