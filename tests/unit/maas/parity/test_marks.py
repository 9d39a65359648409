"""Marking: what passes, what does not, and that a reason never quotes the answer."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.chat import ChatRequest, Choice, Message
from secondbasket.core.chat import ToolCall as Called
from secondbasket.maas.parity.checks import (
    Check,
    Exact,
    JsonSchema,
    Language,
    Normalisation,
    Regex,
    ToolCall,
)
from secondbasket.maas.parity.evals import Case
from secondbasket.maas.parity.examiner import Examiner
from secondbasket.maas.parity.marks import Mark, Marker, exact, normalised

pytestmark = pytest.mark.anyio

STEPS: tuple[Normalisation, ...] = ("case", "space", "punctuation", "accents")


@pytest.fixture
async def marker() -> AsyncIterator[Marker]:
    async with Examiner() as examiner:
        yield Marker(examiner, None)


async def marked(marker: Marker, check: Check, text: str, *calls: tuple[str, str]) -> Mark:
    request = ChatRequest(model="m", messages=(Message(role="user", content="?"),))
    tool_calls = [Called(f"call_{n}", *call) for n, call in enumerate(calls)]
    answer = Choice(index=0, text=text, tool_calls=tool_calls)
    mark = await marker.mark(Case("a", 1, request, check), answer)
    assert mark.passed is (mark.why == "")
    return mark


@pytest.mark.parametrize(
    ("answer", "normalise", "passes"),
    [
        ("Paris", (), True),
        (" Paris\n", (), False),
        (" Paris\n", ("space",), True),
        ("paris.", ("space",), False),
        ("paris.", ("case", "punctuation"), True),
        ("„París“!", STEPS, True),
        ("Ｐａｒｉｓ", (), True),
        ("Paris, France", STEPS, False),
        ("", STEPS, False),
    ],
)
async def test_exact_compares_after_both_were_normalised(
    marker: Marker, answer: str, normalise: tuple[Normalisation, ...], passes: bool
) -> None:
    check = Exact(answers=("Lutetia", "Paris"), normalise=normalise)
    assert (await marked(marker, check, answer)).passed is passes


@given(st.text(), st.sets(st.sampled_from(STEPS)))
def test_normalising_twice_changes_nothing_more(text: str, chosen: set[Normalisation]) -> None:
    steps = tuple(chosen)
    once = normalised(text, steps)
    if "accents" not in steps and "case" not in steps:
        assert normalised(once, steps) == once
    assert exact(Exact(answers=(text,), normalise=steps), text).passed


@given(st.text(max_size=40), st.text(max_size=40))
def test_exact_passes_whenever_the_texts_are_the_same_and_never_for_other_words(
    wanted: str, given_text: str
) -> None:
    passed = exact(Exact(answers=(wanted,), normalise=("space",)), given_text).passed
    if wanted == given_text:
        assert passed
    if passed:
        assert normalised(wanted, ("space",)) == normalised(given_text, ("space",))


async def test_regex_can_demand_and_forbid(marker: Marker) -> None:
    assert (await marked(marker, Regex(pattern="b+"), "abc")).passed
    assert not (await marked(marker, Regex(pattern="x"), "abc")).passed
    assert not (await marked(marker, Regex(pattern="b", absent=True), "abc")).passed
    assert (await marked(marker, Regex(pattern="x", absent=True), "abc")).passed
    assert (await marked(marker, Regex(pattern="B", ignore_case=True), "abc")).passed


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ('{"n": 1}', True),
        (' {"n": 1}\n', True),
        ('```json\n{"n": 1}\n```', True),
        ('{"n": "1"}', False),
        ("n is 1", False),
        ("", False),
        ("NaN", False),
        ("[" * 10_000, False),
    ],
)
async def test_json_schema_reads_the_answer_and_checks_it(
    marker: Marker, answer: str, passes: bool
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert (await marked(marker, JsonSchema(schema=schema), answer)).passed is passes


ARGUMENTS: Mapping[str, Any] = {"properties": {"city": {"const": "Paris"}}, "required": ["city"]}


@pytest.mark.parametrize(
    ("calls", "name", "passes"),
    [
        ([("weather", '{"city": "Paris"}')], "weather", True),
        ([("weather", '{"city": "Rome"}'), ("weather", '{"city": "Paris"}')], "weather", True),
        ([("weather", '{"city": "Rome"}')], "weather", False),
        ([("weather", "{city")], "weather", False),
        ([("weather", "")], "weather", False),
        ([("time", '{"city": "Paris"}')], "weather", False),
        ([], "weather", False),
        ([], None, True),
        ([("weather", "{}")], None, False),
    ],
)
async def test_a_tool_call_has_its_name_and_its_arguments(
    marker: Marker, calls: list[tuple[str, str]], name: str | None, passes: bool
) -> None:
    check = ToolCall(name=name, arguments=ARGUMENTS)
    assert (await marked(marker, check, "", *calls)).passed is passes


async def test_language_is_that_of_the_answer(marker: Marker) -> None:
    german = "Das Meer ist groß und blau."
    assert (await marked(marker, Language(language="de"), german)).passed
    assert (await marked(marker, Language(language="en"), german)).why == "it is in de"
    assert (await marked(marker, Language(language="en"), "42")).why


@pytest.mark.parametrize(
    "check",
    [
        Exact(answers=("x",)),
        Regex(pattern="x"),
        JsonSchema(schema={"type": "object"}),
        Language(language="en"),
    ],
)
async def test_a_reason_never_quotes_the_answer(marker: Marker, check: Check) -> None:
    mark = await marked(marker, check, '"Kundennummer 4711"')
    assert not mark.passed
    assert "4711" not in mark.why
