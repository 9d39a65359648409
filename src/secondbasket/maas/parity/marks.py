"""Marks an answer by what its case demands."""

import re
import string
import unicodedata
from typing import Protocol

import msgspec

from secondbasket.core.chat import Choice
from secondbasket.maas.parity.checks import (
    Exact,
    JsonSchema,
    Judged,
    Language,
    Normalisation,
    Regex,
    ToolCall,
)
from secondbasket.maas.parity.evals import Case
from secondbasket.maas.parity.examiner import Examiner
from secondbasket.maas.parity.language import language_of

_FENCED = re.compile(r"\s*```[a-z]*\n(.*)\n```\s*", re.DOTALL)
_PUNCTUATION = str.maketrans("", "", string.punctuation + "„“”‚‘’«»…–—¿¡")


class Mark(msgspec.Struct, frozen=True):
    """`why` says what was missed, and never quotes the answer; `cost` is a judge's, if any."""

    passed: bool
    why: str = ""
    cost: int = 0


class Grade(Protocol):
    """Has a judge grade an answer. Raises CannotTell, and what the gateway raises."""

    async def __call__(self, case: Case, check: Judged, answer: str) -> Mark: ...


class Marker:
    """`examiner` runs what could run away; `grade` asks the judge, None where there is none."""

    def __init__(self, examiner: Examiner, grade: Grade | None) -> None:
        self._examiner = examiner
        self._grade = grade

    async def mark(self, case: Case, answer: Choice) -> Mark:
        """Raises CannotTell where it can be told neither way, and what a judge's call raises."""
        match case.check:
            case Exact() as check:
                return exact(check, answer.text)
            case Regex() as check:
                return await self._pattern(check, answer.text)
            case JsonSchema() as check:
                return await self._schema(check, answer.text)
            case ToolCall() as check:
                return await self._tool_call(check, answer)
            case Language() as check:
                return language(check, answer.text)
            case Judged() as check:
                assert self._grade is not None
                return await self._grade(case, check, answer.text)

    async def _pattern(self, check: Regex, text: str) -> Mark:
        missed = await self._examiner.match(check.pattern, text, ignore_case=check.ignore_case)
        if check.absent:
            return Mark(bool(missed), "" if missed else "the pattern matches and must not")
        return Mark(not missed, missed)

    async def _schema(self, check: JsonSchema, text: str) -> Mark:
        fenced = _FENCED.fullmatch(text)
        try:
            instance = msgspec.json.decode(fenced[1] if fenced else text)
        except (ValueError, RecursionError):
            return Mark(False, "the answer is not JSON")
        missed = await self._examiner.validate(check.schema, instance)
        return Mark(not missed, missed)

    async def _tool_call(self, check: ToolCall, answer: Choice) -> Mark:
        called = [call for call in answer.tool_calls if call.name == check.name]
        if check.name is None:
            return Mark(not answer.tool_calls, "a tool was called" * bool(answer.tool_calls))
        if not called:
            others = "another tool was called" if answer.tool_calls else "no tool was called"
            return Mark(False, others)
        missed = ""
        for call in called:
            try:
                arguments = msgspec.json.decode(call.arguments or "{}")
            except (ValueError, RecursionError):
                missed = "its arguments are not JSON"
                continue
            missed = await self._examiner.validate(check.arguments, arguments)
            if not missed:
                return Mark(True)
        return Mark(False, missed)


def exact(check: Exact, text: str) -> Mark:
    given = normalised(text, check.normalise)
    if any(given == normalised(wanted, check.normalise) for wanted in check.answers):
        return Mark(True)
    return Mark(False, f"it is none of the {len(check.answers)} answers")


def language(check: Language, text: str) -> Mark:
    found = language_of(text)
    if found == check.language:
        return Mark(True)
    return Mark(False, "its language cannot be told" if found is None else f"it is in {found}")


def normalised(text: str, steps: tuple[Normalisation, ...]) -> str:
    """`text` without the differences that `steps` name; the same whatever their order."""
    text = unicodedata.normalize("NFKC", text)
    if "case" in steps:
        text = text.casefold()
    if "accents" in steps:
        parts = unicodedata.normalize("NFD", text)
        text = unicodedata.normalize(
            "NFC", "".join(c for c in parts if not unicodedata.combining(c))
        )
    if "punctuation" in steps:
        text = text.translate(_PUNCTUATION)
    if "space" in steps:
        text = " ".join(text.split())
    return text
