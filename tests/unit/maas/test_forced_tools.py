"""A demanded tool call becomes a constrained answer, and that answer a tool call again."""

import json

from secondbasket.core.chat import (
    ChatRequest,
    ChoiceDelta,
    Chunk,
    FinishReason,
    Fold,
    Message,
    ToolChoice,
    ToolSpec,
)
from secondbasket.maas.upstreams.forced_tools import ForcedToolCall

WEATHER = ToolSpec(
    name="get_weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}}
)
CLOCK = ToolSpec(name="clock")


def request(choice: ToolChoice | None, *tools: ToolSpec) -> ChatRequest:
    return ChatRequest(
        model="m",
        messages=(Message(role="user", content="weather in Ulm"),),
        tools=tools,
        tool_choice=choice,
    )


def run(forced: ForcedToolCall, *texts: str, reason: FinishReason = "stop") -> Fold:
    fold = Fold()
    for text in texts:
        fold.add(forced.unwrap(Chunk((ChoiceDelta(text=text),))))
    fold.add(forced.unwrap(Chunk((ChoiceDelta(finish_reason=reason),))))
    return fold


def test_only_a_demand_is_forced() -> None:
    assert not ForcedToolCall.wanted(request(None, WEATHER))
    assert not ForcedToolCall.wanted(request(ToolChoice("auto"), WEATHER))
    assert ForcedToolCall.wanted(request(ToolChoice("required"), WEATHER))
    assert ForcedToolCall.wanted(request(ToolChoice("named", "clock"), WEATHER, CLOCK))


def test_one_tool_streams_its_arguments() -> None:
    forced = ForcedToolCall(request(ToolChoice("named", "get_weather"), WEATHER, CLOCK))
    assert forced.request.tools == ()
    assert forced.request.response_format is not None
    assert forced.request.response_format.schema is not None
    assert forced.request.response_format.schema["schema"] == WEATHER.parameters
    first = forced.unwrap(Chunk((ChoiceDelta(text='{"ci'),)))
    assert first.choices[0].tool_calls[0].arguments == '{"ci'
    assert first.choices[0].text == ""
    (choice,) = run(forced, 'ty":"Ulm"}').choices()
    assert choice.tool_calls[0].arguments == 'ty":"Ulm"}'
    assert choice.finish_reason == "tool_calls"


def test_of_several_tools_the_model_names_one() -> None:
    forced = ForcedToolCall(request(ToolChoice("required"), WEATHER, CLOCK))
    text = json.dumps({"name": "get_weather", "arguments": {"city": "Ulm"}})
    (choice,) = run(forced, text[:9], text[9:]).choices()
    (call,) = choice.tool_calls
    assert call.name == "get_weather"
    assert json.loads(call.arguments) == {"city": "Ulm"}
    assert call.id.startswith("call_")


def test_a_call_cut_short_says_so_and_keeps_what_there_is() -> None:
    forced = ForcedToolCall(request(ToolChoice("required"), WEATHER, CLOCK))
    (choice,) = run(
        forced, '{"name": "get_weather", "arguments": {"city": "U', reason="length"
    ).choices()
    assert choice.finish_reason == "length"
    assert choice.tool_calls[0].name == "get_weather"
    assert choice.tool_calls[0].arguments == '{"city": "U'


def test_the_tools_are_told_beside_the_system_prompt() -> None:
    asked = request(ToolChoice("required"), WEATHER)
    system = Message(role="system", content="be brief")
    asked = type(asked)(
        model="m",
        messages=(system, *asked.messages),
        tools=asked.tools,
        tool_choice=asked.tool_choice,
    )
    forced = ForcedToolCall(asked)
    content = forced.request.messages[0].content
    assert isinstance(content, str)
    assert content.startswith("be brief")
    assert "get_weather" in content
    assert len(forced.request.messages) == 2
