"""Thoughts, words and tool calls, told apart however the text is cut."""

import json
from typing import Any

import pytest

from secondbasket.cloud.engines.answer_parts import AnswerParts

CALL = '<tool_call>\n{"name": "now", "arguments": {"zone": "CET"}}\n</tool_call>'


def told(text: str, *, size: int, thinking: bool = False, tools: bool = True) -> dict[str, Any]:
    """Everything that came of `text` in fragments of `size`, joined by kind."""
    parts = AnswerParts(thinking=thinking, tools=tools)
    deltas = []
    for start in range(0, len(text), size):
        deltas += parts.feed(text[start : start + size])
    deltas += parts.rest()
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert parts.calls == len(calls)
    return {
        "thought": "".join(delta.get("reasoning_content", "") for delta in deltas),
        "text": "".join(delta.get("content", "") for delta in deltas),
        "calls": [
            (call["index"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in calls
        ],
    }


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_the_parts_do_not_depend_on_how_the_text_is_cut(size: int) -> None:
    text = f"<think>\nWhat time is it?\n</think>\n\nLet me see. {CALL}\n{CALL}"
    assert told(text, size=size) == {
        "thought": "\nWhat time is it?\n",
        "text": "Let me see. \n",
        "calls": [(0, "now", {"zone": "CET"}), (1, "now", {"zone": "CET"})],
    }


@pytest.mark.parametrize("size", [1, 1000])
def test_plain_text_is_left_alone(size: int) -> None:
    text = "  a < b, <thin ice>, </think> and <think> in the middle"
    assert told(text, size=size)["text"] == text


def test_text_comes_at_once_where_no_mark_can_begin() -> None:
    parts = AnswerParts(thinking=False, tools=True)
    assert parts.feed("Hello") == [{"content": "Hello"}]
    assert parts.feed(" <") == [{"content": " "}]
    assert parts.feed("3") == [{"content": "<3"}]


def test_a_thought_that_the_prompt_opened() -> None:
    assert told("so be it</think>Yes", size=2, thinking=True) == {
        "thought": "so be it",
        "text": "Yes",
        "calls": [],
    }


def test_a_thought_that_is_cut_off_stays_one() -> None:
    assert told("<think>so be", size=4)["thought"] == "so be"


def test_without_tools_a_call_is_text() -> None:
    assert told(CALL, size=5, tools=False) == {"thought": "", "text": CALL, "calls": []}


@pytest.mark.parametrize("inner", ["not json", '{"arguments": {}}', "[1]", '"name"'])
def test_a_call_that_is_none_is_text(inner: str) -> None:
    text = f"<tool_call>{inner}</tool_call>"
    assert told(text, size=3) == {"thought": "", "text": text, "calls": []}


def test_a_call_without_its_end_counts_where_it_is_whole() -> None:
    assert told('<tool_call>{"name": "now"}', size=4)["calls"] == [(0, "now", {})]
    assert told('<tool_call>{"name": "no', size=4)["text"] == '<tool_call>{"name": "no'
