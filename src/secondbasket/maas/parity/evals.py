"""An eval file: JSON Lines, one case a line, and what is wrong with it by line."""

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from secondbasket.core.chat import ChatRequest
from secondbasket.errors import InvalidRequest, SettingsError
from secondbasket.maas.parity.checks import Check, JsonSchema, Regex, ToolCall
from secondbasket.wires.openai.chat_request import decode_chat_request

MOST_BYTES = 16 * 1024 * 1024
_MOST_CASES = 10_000
_MOST_TOLD = 5
_SHIPPED = "general.jsonl"
_SHIPPED_NAME = "general (shipped)"


class Case(msgspec.Struct, frozen=True):
    """One question and what its answer has to be. `line` counts from 1."""

    id: str
    line: int
    request: ChatRequest
    check: Check


class Evals(msgspec.Struct, frozen=True):
    """The cases of one file; `digest` is 'sha256:<hex>' of its bytes."""

    name: str
    digest: str
    cases: tuple[Case, ...]


class WrongCase(msgspec.Struct, frozen=True):
    line: int
    reason: str


class _Line(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Fields of the OpenAI wire keep its names and form; None leaves one out."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    check: Check
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    system: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    max_tokens: Annotated[int, Meta(ge=1, le=32_768)] = 256
    temperature: float | None = 0.0
    seed: int | None = None
    stop: str | list[str] | None = None


_decoder = msgspec.json.Decoder(_Line)


def read_evals(content: bytes, name: str) -> Evals:
    """The cases in `content`. Raises InvalidRequest naming what is wrong, by line."""
    if len(content) > MOST_BYTES:
        raise too_large(name, len(content))
    cases: list[Case] = []
    wrong: list[WrongCase] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            case = _case(number, line)
            if case.id in seen:
                raise ValueError(f"the id '{case.id}' is that of line {seen[case.id]} already")
        except (ValueError, InvalidRequest, RecursionError) as exc:
            wrong.append(WrongCase(number, _reason(exc)))
            continue
        seen[case.id] = number
        cases.append(case)
    refuse(name, wrong)
    if not 1 <= len(cases) <= _MOST_CASES:
        raise InvalidRequest(
            f"{name} has {len(cases):,} cases; 1 to {_MOST_CASES:,} are needed.",
            hint="Write one case a line, as docs/parity.md shows.",
        )
    return Evals(name, digest_of(content), tuple(cases))


def refuse(name: str, wrong: list[WrongCase]) -> None:
    """Raises InvalidRequest where something is wrong."""
    if not wrong:
        return
    told = "; ".join(f"line {each.line}: {each.reason}" for each in wrong[:_MOST_TOLD])
    more = len(wrong) - _MOST_TOLD
    raise InvalidRequest(
        f"{name} has {len(wrong)} wrong case{'s' * (len(wrong) > 1)}: {told}"
        f"{f'; and {more} more' if more > 0 else ''}.",
        hint="docs/parity.md shows each kind of case.",
    )


def too_large(name: str, size: int) -> InvalidRequest:
    return InvalidRequest(
        f"{name} has {size:,} bytes; an eval file has {MOST_BYTES:,} at most.",
        hint="Choose cases: a few hundred tell as much as many thousand.",
    )


def digest_of(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


@cache
def shipped() -> bytes:
    """The general evaluation that comes with the product."""
    return files("secondbasket.maas.parity").joinpath(_SHIPPED).read_bytes()


def content_of(path: Path | None, *, key: str) -> tuple[str, bytes]:
    """Name and bytes of an eval file; None is the shipped one. Raises SettingsError for `key`."""
    if path is None:
        return _SHIPPED_NAME, shipped()
    try:
        with path.open("rb") as file:
            return str(path), file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise SettingsError(
            f"'{key}' names {path}, which cannot be read: {exc.strerror}.",
            hint="Point it at a file of cases, one JSON object a line.",
            param=key,
        ) from exc


def schemas_of(case: Case) -> Iterator[Mapping[str, Any]]:
    """The JSON Schemas that a case's check holds."""
    if isinstance(case.check, JsonSchema):
        yield case.check.schema
    elif isinstance(case.check, ToolCall):
        yield case.check.arguments


def _case(number: int, line: bytes) -> Case:
    told = _decoder.decode(line)
    check = told.check
    if (told.prompt is None) == (told.messages is None):
        raise ValueError("a case has either 'prompt' or 'messages'")
    if isinstance(check, ToolCall) and not told.tools:
        raise ValueError("a 'tool_call' check needs 'tools'")
    if isinstance(check, Regex):
        _compile(check.pattern)
    messages = told.messages or [{"role": "user", "content": told.prompt}]
    if told.system is not None:
        messages = [{"role": "system", "content": told.system}, *messages]
    body = {
        "model": "parity",
        "messages": messages,
        "tools": told.tools,
        "tool_choice": told.tool_choice,
        "max_tokens": told.max_tokens,
        "temperature": told.temperature,
        "seed": told.seed,
        "stop": told.stop,
        # As a stream, so that a slow answer is no silence, and its first token is timed.
        "stream": True,
    }
    if isinstance(check, JsonSchema) and check.constrained:
        schema = {"name": "answer", "schema": check.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    given = {name: value for name, value in body.items() if value is not None}
    return Case(told.id, number, decode_chat_request(msgspec.json.encode(given)), check)


def _compile(pattern: str) -> None:
    """See that it is a pattern; it is run elsewhere, where it can be stopped."""
    try:
        with warnings.catch_warnings():
            # What another Python may read differently one day is a pattern all the same.
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as exc:
        raise ValueError(f"{pattern[:60]!r} is no regular expression: {exc}") from exc


def _reason(exc: Exception) -> str:
    text = exc.message if isinstance(exc, InvalidRequest) else str(exc)
    return text.rstrip(".").replace("`", "'") or "nested too deeply"
