"""Requests on the Messages wire: read, refused by the field at fault, and back again."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondbasket.core.chat import (
    ChatRequest,
    MediaPart,
    Message,
    ResponseFormat,
    Sampling,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolSpec,
)
from secondbasket.errors import InvalidRequest, UnsupportedField
from secondbasket.wires.anthropic.door_request import decode_messages_request
from secondbasket.wires.anthropic.request import encode_messages_request
from secondbasket.wires.openai.fields import MAX_PARTS

LEAST: dict[str, Any] = {
    "model": "assistant",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "hello"}],
}
LOOK = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}


def decode(**fields: Any) -> ChatRequest:
    return decode_messages_request(json.dumps(LEAST | fields).encode())


def test_the_least() -> None:
    assert decode() == ChatRequest(
        model="assistant",
        messages=(Message(role="user", content="hello"),),
        sampling=Sampling(max_tokens=64),
        include_usage=True,
        wire="anthropic",
    )


def test_more_results_of_tools_than_anybody_reads_are_refused() -> None:
    """Each is a message of its own further on."""
    result = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
    with pytest.raises(InvalidRequest, match="at most") as caught:
        decode(messages=[{"role": "user", "content": [result] * (MAX_PARTS + 1)}])
    assert caught.value.param == "messages"


def test_everything_it_knows() -> None:
    request = decode(
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        temperature=0.5,
        top_p=0.9,
        stop_sequences=["END"],
        stream=True,
        tools=[LOOK | {"strict": True, "type": "custom"}],
        tool_choice={"type": "tool", "name": "look", "disable_parallel_tool_use": True},
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": {"a": 1}}},
        top_k=5,
        metadata={"user_id": "u"},
    )
    assert request.messages[0] == Message(role="system", content=(TextPart("Be brief."),))
    assert request.sampling == Sampling(temperature=0.5, top_p=0.9, max_tokens=64, stop=("END",))
    assert request.stream
    assert request.tools == (
        ToolSpec(name="look", description="Looks.", parameters={"type": "object"}, strict=True),
    )
    assert request.tool_choice == ToolChoice("named", "look")
    assert request.parallel_tool_calls is False
    assert request.response_format == ResponseFormat(
        "json_schema", {"name": "answer", "schema": {"a": 1}}
    )
    assert request.extra == {
        "top_k": 5,
        "metadata": {"user_id": "u"},
        "output_config": {"effort": "low"},
    }


def test_a_conversation_with_tools_images_and_thinking() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "QUJD"}
    request = decode(
        messages=[
            {"role": "user", "content": [{"type": "image", "source": source}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
                    {"type": "text", "text": "Looking."},
                    {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "wet"},
                    {"type": "tool_result", "tool_use_id": "t2", "is_error": True},
                    {"type": "text", "text": "And?"},
                ],
            },
            {"role": "system", "content": "In German."},
        ]
    )
    url = "data:image/png;base64,QUJD"
    assert request.messages == (
        Message(
            role="user",
            content=(MediaPart("image_url", {"type": "image_url", "image_url": {"url": url}}),),
        ),
        Message(
            role="assistant",
            content=(TextPart("Looking."),),
            tool_calls=(ToolCall("t1", "look", '{"a":1}'),),
        ),
        Message(role="tool", content="wet", tool_call_id="t1"),
        Message(role="tool", content="", tool_call_id="t2", extra={"is_error": True}),
        Message(role="user", content=(TextPart("And?"),)),
        Message(role="system", content="In German."),
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 1.5}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "messages"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]}, "messages"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}],
                    }
                ]
            },
            "messages",
        ),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [LOOK], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"service_tier": "auto"}, "service_tier"),
        ({"mcp_servers": []}, "mcp_servers"),
        ({"api_base": "http://x"}, "api_base"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(**fields)
    assert caught.value.param == param


def test_the_limit_is_the_callers_to_give() -> None:
    body = {name: value for name, value in LEAST.items() if name != "max_tokens"}
    with pytest.raises(InvalidRequest) as caught:
        decode_messages_request(json.dumps(body).encode())
    assert caught.value.param == "max_tokens"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 10**5, b"\xff"])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_messages_request(body)


names = st.text("abcXYZ_-019", min_size=1, max_size=8)
words = st.text(min_size=1, max_size=12)
contents = words | st.lists(words.map(TextPart), min_size=1, max_size=3).map(tuple)
objects = st.dictionaries(words, st.integers() | words | st.none(), max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Turns as clients write them: questions, answers, calls and their results."""
    messages = [Message(role="system", content=draw(contents))] if draw(st.booleans()) else []
    for number in range(draw(st.integers(0, 3))):
        messages.append(Message(role="user", content=draw(contents)))
        called = [
            ToolCall(f"call_{number}_{each}", draw(names), json.dumps(draw(objects)))
            for each in range(draw(st.integers(0, 2)))
        ]
        messages.append(Message(role="assistant", content=draw(contents), tool_calls=tuple(called)))
        messages += [
            Message(role="tool", content=draw(contents), tool_call_id=call.id) for call in called
        ]
    return (*messages, Message(role="user", content=draw(contents)))


requests = st.builds(
    ChatRequest,
    model=st.just("assistant"),
    messages=conversations(),
    sampling=st.builds(
        Sampling,
        temperature=st.none() | st.floats(0, 1),
        max_tokens=st.none() | st.integers(1, 10**6),
        stop=st.lists(words.filter(str.strip), max_size=3).map(tuple),
    ),
    tools=st.lists(
        st.builds(ToolSpec, name=names, description=words, strict=st.none() | st.booleans()),
        max_size=3,
        unique_by=lambda tool: tool.name,
    ).map(tuple),
    parallel_tool_calls=st.none() | st.booleans(),
)


def sent(request: ChatRequest) -> bytes:
    body = encode_messages_request(
        request, model=request.model, most_tokens=99, sampling=True, prefill=False
    )
    return msgspec.json.encode(body)


def said(messages: tuple[Message, ...], role: str) -> list[str]:
    """Everything that one side says, piece by piece."""
    pieces = []
    for message in messages:
        if message.role == role:
            content = message.content or ()
            parts = (TextPart(content),) if isinstance(content, str) else content
            pieces += [part.text for part in parts if isinstance(part, TextPart) and part.text]
    return pieces


@settings(deadline=None)
@given(requests)
def test_what_one_side_writes_the_other_reads(request: ChatRequest) -> None:
    read = decode_messages_request(sent(request))
    for role in ("system", "user", "assistant", "tool"):
        assert said(read.messages, role) == said(request.messages, role)
    calls = [call for message in request.messages for call in message.tool_calls]
    heard = [call for message in read.messages for call in message.tool_calls]
    assert [(c.id, c.name, json.loads(c.arguments)) for c in heard] == [
        (c.id, c.name, json.loads(c.arguments)) for c in calls
    ]
    answered = [m.tool_call_id for m in read.messages if m.role == "tool"]
    assert answered == [m.tool_call_id for m in request.messages if m.role == "tool"]
    assert read.sampling == msgspec.structs.replace(
        request.sampling, max_tokens=request.sampling.max_tokens or 99
    )
    if request.tools:
        assert [(t.name, t.description, t.strict) for t in read.tools] == [
            (t.name, t.description, t.strict) for t in request.tools
        ]
        assert read.parallel_tool_calls in (request.parallel_tool_calls, None)
    again = decode_messages_request(sent(read))
    assert again == read, "what was read once is said the same way again"


def test_an_answer_of_a_tool_that_failed_stays_one_on_its_wire() -> None:
    block = {"type": "tool_result", "tool_use_id": "t", "content": "no", "is_error": True}
    read = decode(
        messages=[
            {"role": "user", "content": "x"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}],
            },
            {"role": "user", "content": [block]},
        ],
        tools=[LOOK],
    )
    result = json.loads(sent(read))["messages"][-1]["content"][0]
    assert result == block | {"content": [{"type": "text", "text": "no"}]}


def test_server_tools_are_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedField) as caught:
        decode(tools=[{"type": "code_execution_20260521", "name": "code"}])
    assert caught.value.hint
