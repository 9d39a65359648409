"""Eval files: what is right is read, what is wrong is named by its line, and nothing runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secondbasket.errors import InvalidRequest, SettingsError
from secondbasket.maas.parity import evals
from secondbasket.maas.parity.checks import Exact, JsonSchema, Regex, ToolCall, kind_of
from secondbasket.maas.parity.evals import content_of, digest_of, read_evals, shipped

TOOL = {"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}


def lines(*cases: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(case).encode() + b"\n" for case in cases)


def case(**fields: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "id": "a",
        "prompt": "Hello?",
        "check": {"kind": "exact", "answers": ["x"]},
    }
    return {name: value for name, value in (plain | fields).items() if value is not None}


def test_a_case_becomes_a_request_as_the_wire_has_it() -> None:
    content = lines(
        case(system="Be brief.", max_tokens=9, seed=4, stop=["."]),
        case(
            id="b",
            prompt=None,
            messages=[{"role": "user", "content": "Hi"}],
            tools=[TOOL],
            tool_choice="required",
            check={"kind": "tool_call", "name": "t", "arguments": {"type": "object"}},
        )
        | {"temperature": None},
        case(id="c", check={"kind": "json_schema", "schema": {"type": "object"}}),
        case(
            id="d", check={"kind": "json_schema", "schema": {"type": "array"}, "constrained": True}
        ),
    )
    read = read_evals(content, "f")
    assert (read.name, read.digest) == ("f", digest_of(content))
    first, second, third, fourth = read.cases
    assert [message.role for message in first.request.messages] == ["system", "user"]
    sampling = first.request.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.seed) == (9, 0.0, 4)
    assert sampling.stop == (".",)
    assert first.request.stream
    assert isinstance(first.check, Exact)
    assert second.line == 2
    assert second.request.sampling.temperature is None
    assert second.request.tools[0].name == "t"
    assert isinstance(second.check, ToolCall)
    assert third.request.response_format is None
    assert isinstance(fourth.check, JsonSchema)
    assert fourth.request.response_format is not None
    assert fourth.request.response_format.schema == {"name": "answer", "schema": {"type": "array"}}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "line 2: Input data was truncated"),
        (b"[]", "line 2: Expected 'object'"),
        (b'"\xff"', "line 2: "),
        (b"[" * 100_000, "line 2: "),
        (lines(case(id="b", check=None)), "line 2: Object missing required field 'check'"),
        (lines(case(id="b", promt="x")), "contains unknown field 'promt'"),
        (lines(case(id="b", prompt=None)), "either 'prompt' or 'messages'"),
        (lines(case(id="b", messages=[])), "either 'prompt' or 'messages'"),
        (
            lines(case(id="b", prompt=None, messages=[{"role": "boss"}])),
            "Invalid enum value 'boss'",
        ),
        (lines(case(id="a")), "the id 'a' is that of line 1 already"),
        (lines(case(id="b", check={"kind": "exec", "code": "1"})), "Invalid value 'exec'"),
        (lines(case(id="b", check={"kind": "regex", "pattern": "("})), "no regular expression"),
        (
            lines(case(id="b", check={"kind": "regex", "pattern": "(" * 1999})),
            "no regular expression",
        ),
        (lines(case(id="b", check={"kind": "regex", "pattern": "a" * 2001})), "length <= 2000"),
        (lines(case(id="b", check={"kind": "exact", "answers": []})), "length >= 1"),
        (
            lines(case(id="b", check={"kind": "language", "language": "tlh"})),
            "the languages that are told apart are ar, de,",
        ),
        (lines(case(id="b", check={"kind": "tool_call", "name": "t"})), "needs 'tools'"),
        (lines(case(id="b", check={"kind": "judged", "rubric": "r", "least": 11})), "<= 10"),
        (lines(case(id="b", max_tokens=0)), "max_tokens"),
    ],
)
def test_a_wrong_case_is_named_with_its_line_and_reason(line: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_evals(lines(case()) + line, "company.jsonl")
    assert caught.value.message.startswith("company.jsonl has 1 wrong case: line 2: ")
    assert reason in caught.value.message


def test_many_wrong_cases_are_counted_and_the_first_told() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_evals(lines(case()) + b"{\n\n" * 8, "f")
    message = caught.value.message
    assert message.startswith("f has 8 wrong cases: line 2: ")
    assert message.endswith("; and 3 more.")


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_cases_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match="has 0 cases"):
        read_evals(content, "f")


def test_a_huge_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evals, "MOST_BYTES", 1000)
    file = tmp_path / "huge.jsonl"
    file.write_bytes(b"x" * 5000)
    name, content = content_of(file, key="k")
    assert len(content) == 1001
    with pytest.raises(InvalidRequest, match="an eval file has 1,000 at most"):
        read_evals(content, name)


def test_a_missing_file_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'baskets\.b\.parity_evals' names .*No such file"):
        content_of(tmp_path / "none.jsonl", key="baskets.b.parity_evals")


def test_the_shipped_evaluation_is_read_and_has_every_kind_but_a_judge() -> None:
    read = read_evals(shipped(), "shipped")
    assert len(read.cases) >= 20
    kinds = {kind_of(each.check) for each in read.cases}
    assert kinds == {"exact", "regex", "json_schema", "tool_call", "language"}


@given(st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_read_or_refused(content: bytes) -> None:
    try:
        read = read_evals(content, "f")
    except InvalidRequest:
        return
    assert read.cases


@given(st.text(max_size=30))
@example("[[a]")
def test_a_pattern_is_compiled_or_refused_and_kept_as_it_is(pattern: str) -> None:
    content = lines(case(check={"kind": "regex", "pattern": pattern}))
    try:
        [read] = read_evals(content, "f").cases
    except InvalidRequest:
        return
    assert isinstance(read.check, Regex)
    assert read.check.pattern == pattern
