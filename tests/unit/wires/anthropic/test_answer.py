"""What a Messages upstream answers becomes chunks; what is out of order is broken."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondbasket.core.chat import Choice, Fold
from secondbasket.core.usage import Usage
from secondbasket.errors import (
    BasketError,
    UpstreamBroken,
    UpstreamError,
    UpstreamLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from secondbasket.wires.anthropic.answer import MessagesAnswer

Event = dict[str, Any]


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def start(**usage: int) -> Event:
    return {"type": "message_start", "message": {"content": [], "usage": usage}}


def stop(reason: str | None = "end_turn", **usage: Any) -> list[Event]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage},
        {"type": "message_stop"},
    ]


def block(index: int, kind: str, *gains: Event, **begin: Any) -> list[Event]:
    return [
        {"type": "content_block_start", "index": index, "content_block": {"type": kind, **begin}},
        *({"type": "content_block_delta", "index": index, "delta": gain} for gain in gains),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, *pieces: str) -> list[Event]:
    return block(index, "text", *({"type": "text_delta", "text": piece} for piece in pieces))


def tool(index: int, *pieces: str, identity: str = "toolu_1") -> list[Event]:
    gains = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block(index, "tool_use", *gains, id=identity, name="look", input={})


def read(events: list[Event]) -> tuple[Choice, Usage | None]:
    answer, fold, usage = MessagesAnswer(), Fold(), None
    for event in events:
        chunk = answer.event(encoded(event))
        if chunk is not None:
            fold.add(chunk)
            usage = chunk.usage or usage
    assert answer.ended
    assert answer.finished
    (choice,) = fold.choices()
    return choice, usage


def test_text_thinking_and_tools_stand_side_by_side() -> None:
    choice, _ = read(
        [
            start(input_tokens=1),
            {"type": "ping"},
            *block(
                0,
                "thinking",
                {"type": "thinking_delta", "thinking": "Hm"},
                {"type": "thinking_delta", "thinking": "m."},
                {"type": "signature_delta", "signature": "c2ln"},
            ),
            *block(1, "redacted_thinking", data="ZGF0YQ=="),
            *text(2, "Let me", " look."),
            *tool(3, "", '{"a"', ": 1}"),
            *tool(4, identity="toolu_2"),
            *stop("tool_use"),
        ]
    )
    assert (choice.reasoning, choice.text) == ("Hmm.", "Let me look.")
    assert [(call.id, call.name, call.arguments) for call in choice.tool_calls] == [
        ("toolu_1", "look", '{"a": 1}'),
        ("toolu_2", "look", "{}"),
    ]
    assert choice.finish_reason == "tool_calls"


def test_arguments_may_come_whole_with_the_start_of_their_block() -> None:
    begun = block(0, "tool_use", id="t", name="look", input={"place": "sea"})
    choice, _ = read([start(), *begun, *stop("tool_use")])
    assert choice.tool_calls[0].arguments == '{"place":"sea"}'


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_why_it_ended(reason: str, finish: str) -> None:
    choice, _ = read([start(), *text(0, "a"), *stop(reason)])
    assert choice.finish_reason == finish


def test_a_refusal_says_why() -> None:
    end = stop("refusal")
    end[0]["delta"]["stop_details"] = {"type": "refusal", "category": "bio", "explanation": "No."}
    choice, _ = read([start(), *text(0, "Well"), *end])
    assert (choice.text, choice.refusal, choice.finish_reason) == ("Well", "No.", "content_filter")


def test_every_token_is_counted_once() -> None:
    _, usage = read(
        [
            start(
                input_tokens=10,
                cache_creation_input_tokens=200,
                cache_read_input_tokens=3000,
                output_tokens=1,
            ),
            *text(0, "a"),
            *stop(output_tokens=7),
        ]
    )
    assert usage == Usage(3210, 7, 3000)
    _, usage = read(
        [start(input_tokens=10), *text(0, "a"), *stop(input_tokens=12, output_tokens=7)]
    )
    assert usage == Usage(12, 7, 0)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.text(max_size=4), max_size=4).map(lambda pieces: ("text", pieces))
        | st.lists(st.text(max_size=4), max_size=4).map(lambda pieces: ("thinking", pieces)),
        max_size=5,
    )
)
def test_a_stream_says_what_the_plain_answer_says(blocks: list[tuple[str, list[str]]]) -> None:
    events, content = [start(input_tokens=3)], []
    for index, (kind, pieces) in enumerate(blocks):
        gains = ({"type": f"{kind}_delta", kind: piece} for piece in pieces)
        events += block(index, kind, *gains)
        content.append({"type": kind, kind: "".join(pieces)})
    streamed, streamed_usage = read([*events, *stop(output_tokens=5)])
    message = {
        "type": "message",
        "content": content,
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 5},
    }
    fold, answer = Fold(), MessagesAnswer()
    chunk = answer.whole(encoded(message))
    fold.add(chunk)
    (plain,) = fold.choices()
    assert answer.finished
    assert (plain.text, plain.reasoning) == (streamed.text, streamed.reasoning)
    assert chunk.usage == streamed_usage == Usage(3, 5, 0)


GOOD = [start(), *text(0, "a", "b"), *tool(1, "{}"), *stop("tool_use")]


@pytest.mark.parametrize(
    "position",
    [n for n, event in enumerate(GOOD[:-1]) if event["type"] != "content_block_delta"],
)
def test_an_event_that_came_twice_is_seen(position: int) -> None:
    """But for the deltas of a block: two equal ones may both be meant."""
    twice = [*GOOD[: position + 1], *GOOD[position:]]
    answer = MessagesAnswer()
    with pytest.raises(UpstreamBroken):
        for event in twice:
            answer.event(encoded(event))


@pytest.mark.parametrize("position", range(len(GOOD) - 1))
def test_an_event_that_lacks_is_seen_but_for_a_delta(position: int) -> None:
    answer = MessagesAnswer()
    broken = False
    try:
        for event in GOOD[:position] + GOOD[position + 1 :]:
            answer.event(encoded(event))
    except UpstreamBroken:
        broken = True
    lost_delta = GOOD[position]["type"] == "content_block_delta"
    assert (broken or not answer.finished) is not lost_delta


@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_stop", "index": 0},
        *block(1, "text")[:1],
        *stop("pause_turn")[:1],
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": -1}},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 2**31}},
        {"type": "content_block_start", "index": 0},
        {"type": "error"},
        {"type": "error", "error": {"type": "strange", "message": "m"}},
        {"index": 0},
    ],
)
def test_what_is_out_of_order_or_of_another_shape_is_broken(event: Event) -> None:
    answer = MessagesAnswer()
    answer.event(encoded(start()))
    with pytest.raises(UpstreamBroken):
        answer.event(encoded(event))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("overloaded_error", UpstreamLimited),
        ("rate_limit_error", UpstreamLimited),
        ("api_error", UpstreamError),
        ("authentication_error", UpstreamUnavailable),
        ("invalid_request_error", UpstreamRejected),
    ],
)
def test_an_error_in_place_of_an_answer_is_told_by_its_type(
    kind: str, error: type[BasketError]
) -> None:
    body = encoded({"type": "error", "error": {"type": kind, "message": "m"}})
    for read_it in (MessagesAnswer().event, MessagesAnswer().whole):
        with pytest.raises(error) as caught:
            read_it(body)
        assert type(caught.value) is error


@pytest.mark.parametrize(
    "body",
    [
        {"type": "message", "content": [{"type": "text", "text": "a"}]},
        {"type": "message", "content": [], "stop_reason": None},
        {"type": "message", "content": {}, "stop_reason": "end_turn"},
        {"choices": []},
        [],
    ],
)
def test_a_plain_answer_of_another_shape_is_broken(body: Any) -> None:
    with pytest.raises(UpstreamBroken):
        MessagesAnswer().whole(encoded(body))


def test_what_is_new_on_the_wire_is_passed_over() -> None:
    choice, _ = read(
        [
            start(),
            {"type": "weather", "wind": {"speed": 3}},
            *block(0, "server_tool_use", {"type": "input_json_delta", "partial_json": "{"}, id="s"),
            *block(1, "text", {"type": "citations_delta"}, {"type": "text_delta", "text": "a"}),
            *stop(),
        ]
    )
    assert (choice.text, choice.tool_calls) == ("a", [])
