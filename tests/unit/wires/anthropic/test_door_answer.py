"""Answers on the Messages wire: complete in one piece, in order as a stream, and read back."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondbasket.core.chat import (
    Choice,
    ChoiceDelta,
    Chunk,
    FinishReason,
    Fold,
    ToolCall,
    ToolCallDelta,
)
from secondbasket.core.usage import Usage
from secondbasket.errors import UpstreamBroken
from secondbasket.wires.anthropic.answer import MessagesAnswer
from secondbasket.wires.anthropic.door_answer import MessagesStreamEncoder, encode_message
from secondbasket.wires.sse import EventDecoder

USAGE = Usage(30, 7, 10)


def events_of(stream: bytes) -> list[dict[str, Any]]:
    decoder = EventDecoder()
    events = [json.loads(data) for data in decoder.feed(stream)]
    named = [line[7:].decode() for line in stream.split(b"\n") if line.startswith(b"event: ")]
    assert named == [event["type"] for event in events], "each is named as its type"
    assert not decoder.pending
    return events


def streamed(*deltas: ChoiceDelta) -> bytes:
    encoder = MessagesStreamEncoder(identity="req_1", model="assistant")
    return b"".join(encoder.chunk(Chunk((delta,))) for delta in deltas) + encoder.end(USAGE)


def test_a_plain_answer_is_complete() -> None:
    choice = Choice(
        index=0,
        text="Looking.",
        reasoning="Hm",
        tool_calls=[ToolCall("t1", "look", '{"a": 1}'), ToolCall("t2", "look", "{oops")],
        finish_reason="tool_calls",
    )
    body = encode_message(identity="req_1", model="assistant", choice=choice, usage=USAGE)
    assert json.loads(body) == {
        "id": "req_1",
        "type": "message",
        "role": "assistant",
        "model": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": ""},
            {"type": "text", "text": "Looking."},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}},
            {"type": "tool_use", "id": "t2", "name": "look", "input": {"INVALID_JSON": "{oops"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 20,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 10,
            "output_tokens": 7,
        },
    }


def test_a_stream_opens_and_closes_its_blocks_in_order() -> None:
    events = events_of(
        streamed(
            ChoiceDelta(),
            ChoiceDelta(reasoning="Hm"),
            ChoiceDelta(text="Loo"),
            ChoiceDelta(text="king."),
            ChoiceDelta(tool_calls=(ToolCallDelta(0, "t1", "look", ""),)),
            ChoiceDelta(tool_calls=(ToolCallDelta(0, arguments="{}"),)),
            ChoiceDelta(tool_calls=(ToolCallDelta(1, "t2", "look", "{}"),)),
            ChoiceDelta(finish_reason="tool_calls"),
        )
    )
    kinds = [(event["type"], event.get("index")) for event in events]
    assert kinds == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("content_block_start", 3),
        ("content_block_delta", 3),
        ("content_block_stop", 3),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert events[-2]["usage"]["output_tokens"] == 7
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_refusal_is_one() -> None:
    events = events_of(streamed(ChoiceDelta(refusal="No.", finish_reason="content_filter")))
    assert events[-2]["delta"] == {
        "stop_reason": "refusal",
        "stop_sequence": None,
        "stop_details": {"type": "refusal", "category": None, "explanation": "No."},
    }


def test_tool_calls_that_are_mixed_are_no_stream_of_this_wire() -> None:
    with pytest.raises(UpstreamBroken):
        streamed(
            ChoiceDelta(tool_calls=(ToolCallDelta(0, "a", "f", "{"),)),
            ChoiceDelta(tool_calls=(ToolCallDelta(1, "b", "f", "{"),)),
            ChoiceDelta(tool_calls=(ToolCallDelta(0, arguments="}"),)),
        )


text = st.text(max_size=5)


@st.composite
def answers(draw: st.DrawFn) -> list[ChoiceDelta]:
    deltas = draw(
        st.lists(
            st.builds(ChoiceDelta, text=text) | st.builds(ChoiceDelta, reasoning=text), max_size=6
        )
    )
    for index in range(draw(st.integers(0, 3))):
        arguments = json.dumps(draw(st.dictionaries(text, st.integers(), max_size=2)))
        cut = draw(st.integers(0, len(arguments)))
        deltas.append(
            ChoiceDelta(tool_calls=(ToolCallDelta(index, f"t{index}", "look", arguments[:cut]),))
        )
        deltas.append(ChoiceDelta(tool_calls=(ToolCallDelta(index, arguments=arguments[cut:]),)))
    reasons: list[FinishReason] = ["stop", "length", "tool_calls", "content_filter"]
    reason = draw(st.sampled_from(reasons))
    return [*deltas, ChoiceDelta(finish_reason=reason)]


@settings(deadline=None)
@given(answers())
def test_our_own_upstream_reads_what_our_door_writes(deltas: list[ChoiceDelta]) -> None:
    given = Fold()
    for delta in deltas:
        given.add(Chunk((delta,)))
    (meant,) = given.choices()
    plain = encode_message(identity="i", model="m", choice=meant, usage=USAGE)
    for pieces in (events_of(streamed(*deltas)), None):
        answer, fold, usage = MessagesAnswer(), Fold(), None
        if pieces is None:
            chunk = answer.whole(plain)
            fold.add(chunk)
            usage = chunk.usage
        else:
            for event in pieces:
                step = answer.event(json.dumps(event).encode())
                if step is not None:
                    fold.add(step)
                    usage = step.usage or usage
            assert answer.ended
        (read,) = fold.choices()
        assert (read.text, read.reasoning, read.finish_reason) == (
            meant.text,
            meant.reasoning,
            meant.finish_reason,
        )
        assert [(c.id, c.name, json.loads(c.arguments)) for c in read.tool_calls] == [
            (c.id, c.name, json.loads(c.arguments)) for c in meant.tool_calls
        ]
        assert usage == USAGE
