"""What the chat door reads, what it refuses, and what an upstream is sent."""

import json
from typing import Any

import pytest

from secondbasket.core.chat import MediaPart, TextPart
from secondbasket.errors import InvalidRequest, UnsupportedField
from secondbasket.wires.openai.chat_request import decode_chat_request, encode_chat_request
from secondbasket.wires.openai.fields import MAX_ITEMS, MAX_PARTS, STEERING

HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": True,
    },
}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": HELLO} | fields).encode()


def test_a_request_comes_back_as_it_was_sent() -> None:
    sent = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}], "cache_control": "x"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city":"Ulm"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 7,
        "seed": -3,
        "stop": ["\n"],
        "n": 2,
        "logprobs": True,
        "top_logprobs": 2,
        "logit_bias": {"50": -100},
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
        "top_k": 40,
        "user": "u1",
    }
    request = decode_chat_request(json.dumps(sent).encode())
    encoded = encode_chat_request(request, model="m", stream=False)
    assert json.loads(json.dumps(encoded)) == sent


def test_unknown_fields_travel_only_on_the_same_wire() -> None:
    request = decode_chat_request(body(min_p=0.1))
    assert request.extra == {"min_p": 0.1}
    other = type(request)(model="m", messages=request.messages, extra=request.extra, wire="other")
    assert "min_p" not in encode_chat_request(other, model="m", stream=False)


def test_a_stream_always_asks_for_its_usage() -> None:
    request = decode_chat_request(body(stream=True))
    assert not request.include_usage
    encoded = encode_chat_request(request, model="inner", stream=True)
    assert encoded["stream_options"] == {"include_usage": True}
    assert encoded["model"] == "inner"


def test_parts_are_told_apart() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    content = [{"type": "text", "text": "what is this"}, image]
    request = decode_chat_request(body(messages=[{"role": "user", "content": content}]))
    assert request.messages[0].content == (
        TextPart("what is this"),
        MediaPart("image_url", image),
    )


@pytest.mark.parametrize("field", [*sorted(STEERING), "speculative.n_max", "x-basket-route"])
def test_fields_that_steer_are_refused(field: str) -> None:
    with pytest.raises(UnsupportedField) as caught:
        decode_chat_request(body(**{field: 1}))
    assert caught.value.param == field


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"n": 9}, "n"),
        ({"presence_penalty": 2.1}, "presence_penalty"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": "always"}, "tool_choice"),
        (
            {
                "tools": [WEATHER],
                "tool_choice": {"type": "function", "function": {"name": "other"}},
            },
            "tool_choice",
        ),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"functions": []}, "functions"),
        ({"messages": HELLO * (MAX_ITEMS + 1)}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}] * (MAX_PARTS // 2)}] * 3},
            "messages",
        ),
    ],
)
def test_what_is_out_of_range_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_chat_request(body(**fields))
    assert caught.value.param == param
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"model": "m"}', b"[" * 100_000, b'{"a":' * 50_000],
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_chat_request(raw)


def test_a_named_required_field_is_told() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_chat_request(b'{"messages": [{"role": "user", "content": "x"}]}')
    assert caught.value.param == "model"
