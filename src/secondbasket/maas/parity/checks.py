"""What a case demands of an answer: data alone, nothing here is ever executed.

::

    {"kind": "exact", "answers": ["Paris"], "normalise": ["case", "space"]}
    {"kind": "regex", "pattern": "\\\\bParis\\\\b", "ignore_case": true}
    {"kind": "json_schema", "schema": {…}, "constrained": true}
    {"kind": "tool_call", "name": "get_weather", "arguments": {…a JSON Schema…}}
    {"kind": "language", "language": "de"}
    {"kind": "judged", "rubric": "Names the deadline and who has to act.", "least": 7}
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from secondbasket.maas.parity.language import LANGUAGES

Normalisation = Literal["case", "space", "punctuation", "accents"]
Kind = Literal["exact", "regex", "json_schema", "tool_call", "language", "judged"]

_Text = Annotated[str, Meta(min_length=1, max_length=10_000)]


class _Check(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    pass


class Exact(_Check, frozen=True, kw_only=True, tag="exact"):
    """The answer is one of `answers`, once both were normalised alike."""

    answers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]
    normalise: tuple[Normalisation, ...] = ("space",)


class Regex(_Check, frozen=True, kw_only=True, tag="regex"):
    """`pattern`, in Python's syntax, matches somewhere; with `absent`, nowhere."""

    pattern: Annotated[str, Meta(min_length=1, max_length=2_000)]
    ignore_case: bool = False
    absent: bool = False


class JsonSchema(_Check, frozen=True, kw_only=True, tag="json_schema"):
    """The answer is JSON that `schema` accepts; `constrained` also has the upstream told so."""

    schema: Mapping[str, Any]
    constrained: bool = False


class ToolCall(_Check, frozen=True, kw_only=True, tag="tool_call"):
    """The tool `name` is called, with arguments that a JSON Schema accepts; None: no tool is."""

    name: str | None
    arguments: Mapping[str, Any] = {}


class Language(_Check, frozen=True, kw_only=True, tag="language"):
    """The answer is written in this language, by its ISO 639-1 code."""

    language: str

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise ValueError(f"the languages that are told apart are {', '.join(LANGUAGES)}")


class Judged(_Check, frozen=True, kw_only=True, tag="judged"):
    """A judge finds that the answer meets `rubric`, with at least `least` points of 10."""

    rubric: _Text
    least: Annotated[int, Meta(ge=1, le=10)] = 7


Check = Exact | Regex | JsonSchema | ToolCall | Language | Judged


def kind_of(check: Check) -> Kind:
    return cast(Kind, check.__struct_config__.tag)
