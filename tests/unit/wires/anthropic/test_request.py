"""What our own vocabulary becomes on the Messages wire, and what it refuses to become."""

from typing import Any

import msgspec
import pytest

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
from secondbasket.errors import UnsupportedField
from secondbasket.wires.anthropic.request import (
    encode_messages_request,
    require_expressible,
)

USER = Message(role="user", content="hello")
LOOK = ToolSpec(
    name="look",
    description="Looks.",
    parameters={"type": "object", "properties": {"place": {"type": "string"}}},
)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def encode(*messages: Message, **more: Any) -> dict[str, Any]:
    request = ChatRequest(model="b", messages=messages or (USER,), **more)
    return encode_messages_request(
        request, model="claude-x", most_tokens=16_000, sampling=True, prefill=False
    )


def text(*pieces: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": piece} for piece in pieces]


def test_the_least_that_is_asked() -> None:
    assert encode() == {
        "model": "claude-x",
        "max_tokens": 16_000,
        "stream": True,
        "messages": [{"role": "user", "content": text("hello")}],
    }


def test_instructions_lead_and_turns_take_turns() -> None:
    body = encode(
        Message(role="system", content="Be brief."),
        USER,
        Message(role="user", content=(TextPart("and"), TextPart("bye"))),
        Message(role="assistant", content="Hi"),
        Message(role="developer", content="In German."),
        Message(role="user", content="", name="Ada"),
        Message(role="user", content="So?"),
    )
    assert body["system"] == text("Be brief.", "In German.")
    assert body["messages"] == [
        {"role": "user", "content": text("hello", "and", "bye")},
        {"role": "assistant", "content": text("Hi")},
        {"role": "user", "content": text("So?")},
    ]


def test_tool_calls_and_all_their_results_are_two_turns() -> None:
    body = encode(
        USER,
        Message(
            role="assistant",
            content="Looking.",
            tool_calls=(ToolCall("call:1", "look", '{"place":"sea"}'), ToolCall("c2", "look", "")),
        ),
        Message(role="tool", content="wet", tool_call_id="call:1"),
        Message(role="tool", content=None, tool_call_id="c2"),
        Message(role="user", content="And?"),
        tools=(LOOK,),
    )
    _, called, answered = body["messages"]
    assert called["content"] == [
        *text("Looking."),
        {"type": "tool_use", "id": "call_1", "name": "look", "input": {"place": "sea"}},
        {"type": "tool_use", "id": "c2", "name": "look", "input": {}},
    ]
    assert answered["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": text("wet")},
        {"type": "tool_result", "tool_use_id": "c2", "content": []},
        *text("And?"),
    ]


def test_calls_of_the_past_are_declared_where_the_caller_does_not() -> None:
    body = encode(
        USER,
        Message(role="assistant", tool_calls=(ToolCall("c", "look", "{}"),)),
        Message(role="tool", content="wet", tool_call_id="c"),
    )
    assert [tool["name"] for tool in body["tools"]] == ["look"]
    assert body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("choice", "parallel", "encoded"),
    [
        (None, None, None),
        (ToolChoice("auto"), True, None),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("required"), None, {"type": "any"}),
        (ToolChoice("named", "look"), None, {"type": "tool", "name": "look"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choices(
    choice: ToolChoice | None, parallel: bool | None, encoded: dict[str, Any] | None
) -> None:
    body = encode(tools=(LOOK,), tool_choice=choice, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == encoded


def test_a_tool_has_an_object_for_its_input() -> None:
    (plain, strict) = encode(
        tools=(ToolSpec(name="now"), msgspec.structs.replace(LOOK, strict=True))
    )["tools"]
    assert plain == {"name": "now", "input_schema": {"type": "object", "properties": {}}}
    assert strict == {
        "name": "look",
        "description": "Looks.",
        "input_schema": LOOK.parameters,
        "strict": True,
    }


def test_sampling_within_what_the_wire_and_the_model_take() -> None:
    given = Sampling(temperature=1.7, top_p=0.9, max_tokens=50, stop=("END", "STOP"))
    request = ChatRequest(model="b", messages=(USER,), sampling=given)

    def of(*, sampling: bool) -> dict[str, Any]:
        return encode_messages_request(
            request, model="m", most_tokens=9, sampling=sampling, prefill=False
        )

    assert of(sampling=True)["temperature"] == 1.0
    assert "top_p" not in of(sampling=True)
    assert (of(sampling=True)["max_tokens"], of(sampling=True)["stop_sequences"]) == (
        50,
        ["END", "STOP"],
    )
    assert "temperature" not in of(sampling=False)


def test_images_and_documents() -> None:
    def image(url: str) -> MediaPart:
        return MediaPart("image_url", {"type": "image_url", "image_url": {"url": url}})

    pdf = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}
    body = encode(
        Message(
            role="user",
            content=(
                image("data:image/png;base64,QUJD"),
                image("https://example.org/a.png"),
                MediaPart("file", {"type": "file", "file": pdf}),
            ),
        )
    )
    assert body["messages"][0]["content"] == [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"},
        },
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="},
        },
    ]


@pytest.mark.parametrize(
    "part",
    [
        MediaPart("input_audio", {"type": "input_audio", "input_audio": {"data": "QQ=="}}),
        MediaPart("file", {"type": "file", "file": {"file_id": "file-1"}}),
        MediaPart("file", {"type": "file", "file": {"file_data": "data:text/csv;base64,QQ=="}}),
        MediaPart("image_url", {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}),
        MediaPart("image_url", {"type": "image_url", "image_url": {"url": "data:text/html,x"}}),
        MediaPart("image_url", {"type": "image_url"}),
    ],
)
def test_media_that_the_wire_has_no_block_for_are_refused(part: MediaPart) -> None:
    with pytest.raises(UnsupportedField) as caught:
        encode(Message(role="user", content=(part,)))
    assert caught.value.param == "messages"


def test_a_schema_closes_its_objects_and_keeps_the_rest() -> None:
    schema = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "inner": {"anyOf": [SCHEMA, {"type": "null"}]},
            "open": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "$defs": {"one": SCHEMA},
    }
    form = ResponseFormat("json_schema", {"name": "n", "schema": schema})
    given = encode(response_format=form)["output_config"]["format"]
    closed = SCHEMA | {"additionalProperties": False}
    assert given == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {
                "type": {"type": "string"},
                "inner": {"anyOf": [closed, {"type": "null"}]},
                "open": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "$defs": {"one": closed},
            "additionalProperties": False,
        },
    }
    assert "additionalProperties" not in schema, "the caller's own is left as it was"


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"sampling": Sampling(n=2)}, "n"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"sampling": Sampling(logit_bias={"1": 2.0})}, "logit_bias"),
        ({"sampling": Sampling(seed=0)}, "seed"),
        ({"sampling": Sampling(stop=("\n",))}, "stop"),
        ({"response_format": ResponseFormat("json_object")}, "response_format"),
        ({"tools": (ToolSpec(name="a.b"),)}, "tools"),
        ({"messages": (Message(role="system", content="x"),)}, "messages"),
        ({"messages": (USER, Message(role="assistant", content="Well"))}, "messages"),
        ({"messages": (USER, Message(role="function", content="x", name="f"))}, "messages"),
        (
            {
                "messages": (
                    USER,
                    Message(role="assistant", tool_calls=(ToolCall("c", "f", "{not"),)),
                    USER,
                )
            },
            "messages",
        ),
    ],
)
def test_what_would_change_the_answer_is_refused_by_its_name(
    more: dict[str, Any], param: str
) -> None:
    request = ChatRequest(**({"model": "b", "messages": (USER,)} | more))
    with pytest.raises(UnsupportedField) as caught:
        encode_messages_request(request, model="m", most_tokens=9, sampling=True, prefill=False)
    assert caught.value.param == param
    assert caught.value.hint
    with pytest.raises(UnsupportedField):
        require_expressible(request, prefill=False)


def test_what_only_colours_the_writing_is_left_out() -> None:
    request = ChatRequest(
        model="b",
        messages=(msgspec.structs.replace(USER, name="Ada", extra={"x": 1}),),
        sampling=Sampling(presence_penalty=1.0, frequency_penalty=0.5),
        extra={"reasoning_effort": "low", "user": "u-1"},
    )
    body = encode_messages_request(request, model="m", most_tokens=9, sampling=True, prefill=False)
    assert body == {
        "model": "m",
        "max_tokens": 9,
        "stream": True,
        "messages": [{"role": "user", "content": text("hello")}],
    }


def test_fields_of_the_same_wire_travel_on() -> None:
    body = encode(wire="anthropic", extra={"top_k": 5, "max_tokens": 1})
    assert (body["top_k"], body["max_tokens"]) == (5, 16_000)


def test_a_half_written_answer_goes_to_models_that_go_on_with_it() -> None:
    request = ChatRequest(model="b", messages=(USER, Message(role="assistant", content="Well")))
    body = encode_messages_request(request, model="m", most_tokens=9, sampling=True, prefill=True)
    assert body["messages"][-1] == {"role": "assistant", "content": text("Well")}
