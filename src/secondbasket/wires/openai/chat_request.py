"""A chat request on the OpenAI wire: body → ChatRequest at our door, and back at an upstream."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from secondbasket.core.chat import (
    ChatRequest,
    Content,
    MediaPart,
    Message,
    ResponseFormat,
    Role,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolSpec,
)
from secondbasket.errors import InvalidRequest
from secondbasket.wires.openai.fields import (
    at_most,
    convert,
    field_names,
    parse,
    parts_at_most,
    unknown,
)
from secondbasket.wires.openai.sampling import SamplingFields, encode_sampling


class _FunctionCall(msgspec.Struct):
    name: str
    arguments: str = ""


class _ToolCall(msgspec.Struct):
    id: str
    function: _FunctionCall
    type: Literal["function"] = "function"


class _Message(msgspec.Struct):
    role: Role
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _Function(msgspec.Struct):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None


class _Tool(msgspec.Struct):
    type: Literal["function"]
    function: _Function


class _Named(msgspec.Struct):
    name: str


class _NamedChoice(msgspec.Struct):
    type: Literal["function"]
    function: _Named


class _JsonSchema(msgspec.Struct):
    name: str
    schema: dict[str, Any] = {}


class _ResponseFormat(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _Body(SamplingFields, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[_Message], Meta(min_length=1)]
    max_completion_tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: Annotated[list[_Tool], Meta(max_length=128)] | None = None
    tool_choice: Literal["auto", "none", "required"] | _NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: _ResponseFormat | None = None
    functions: list[Any] | None = None
    function_call: Any = None


_BODY = field_names(_Body)
_MESSAGE = field_names(_Message)


def decode_chat_request(body: bytes) -> ChatRequest:
    """The request in `body`. Raises InvalidRequest (400) naming the field at fault."""
    raw = parse(body)
    at_most(raw, "messages")
    parts_at_most(raw)
    call = convert(raw, _Body)
    if call.functions is not None or call.function_call is not None:
        raise InvalidRequest(
            "'functions' and 'function_call' are no longer read.",
            hint="Use 'tools' and 'tool_choice'.",
            param="functions",
        )
    if call.top_logprobs is not None and not call.logprobs:
        raise InvalidRequest("'top_logprobs' needs 'logprobs': true.", param="top_logprobs")
    tools = tuple(
        ToolSpec(
            name=tool.function.name,
            description=tool.function.description,
            parameters=tool.function.parameters,
            strict=tool.function.strict,
        )
        for tool in call.tools or ()
    )
    return ChatRequest(
        model=call.model,
        messages=tuple(map(_message, call.messages, raw["messages"])),
        sampling=call.sampling(
            max_tokens=call.max_completion_tokens or call.max_tokens,
            logprobs=call.logprobs,
            top_logprobs=call.top_logprobs,
        ),
        tools=tools,
        tool_choice=_tool_choice(call, tools),
        parallel_tool_calls=call.parallel_tool_calls,
        response_format=_response_format(call.response_format),
        stream=bool(call.stream),
        include_usage=call.wants_usage(),
        extra=unknown(raw, _BODY),
    )


def _message(message: _Message, raw: Mapping[str, Any]) -> Message:
    return Message(
        role=message.role,
        content=_content(message.content),
        name=message.name,
        tool_calls=tuple(
            ToolCall(call.id, call.function.name, call.function.arguments)
            for call in message.tool_calls or ()
        ),
        tool_call_id=message.tool_call_id,
        extra=unknown(raw, _MESSAGE),
    )


def _content(content: str | list[dict[str, Any]] | None) -> Content:
    if content is None or isinstance(content, str):
        return content
    parts: list[TextPart | MediaPart] = []
    for part in content:
        kind = part.get("type")
        if not isinstance(kind, str):
            raise InvalidRequest("A content part needs a 'type'.", param="messages")
        if kind in ("text", "refusal"):
            text = part.get(kind)
            if not isinstance(text, str):
                raise InvalidRequest(f"A '{kind}' part needs a '{kind}'.", param="messages")
            parts.append(TextPart(text))
        else:
            parts.append(MediaPart(kind, part))
    return tuple(parts)


def _tool_choice(call: _Body, tools: tuple[ToolSpec, ...]) -> ToolChoice | None:
    choice = call.tool_choice
    if choice is None:
        return None
    if not tools and choice != "none":
        raise InvalidRequest("'tool_choice' needs 'tools'.", param="tool_choice")
    if isinstance(choice, _NamedChoice):
        if choice.function.name not in {tool.name for tool in tools}:
            raise InvalidRequest(
                f"'tool_choice' names '{choice.function.name}', which is not among 'tools'.",
                param="tool_choice",
            )
        return ToolChoice("named", choice.function.name)
    return ToolChoice(choice)


def _response_format(given: _ResponseFormat | None) -> ResponseFormat | None:
    if given is None:
        return None
    if given.type != "json_schema":
        return ResponseFormat(given.type)
    if given.json_schema is None:
        raise InvalidRequest(
            "'response_format' of type json_schema needs 'json_schema'.", param="response_format"
        )
    return ResponseFormat(
        "json_schema", {"name": given.json_schema.name, "schema": given.json_schema.schema}
    )


def encode_chat_request(request: ChatRequest, *, model: str, stream: bool) -> dict[str, Any]:
    """The body an OpenAI-compatible upstream reads; a stream always ends with its usage."""
    body: dict[str, Any] = dict(request.extra) if request.wire == "openai" else {}
    body["model"] = model
    body["messages"] = [_encode_message(message, request.wire) for message in request.messages]
    sampling = request.sampling
    body |= encode_sampling(sampling)
    if sampling.logprobs:
        body["logprobs"] = True
        if sampling.top_logprobs is not None:
            body["top_logprobs"] = sampling.top_logprobs
    if request.tools:
        body["tools"] = [_encode_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = _encode_tool_choice(request.tool_choice)
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.response_format is not None:
        body["response_format"] = _encode_response_format(request.response_format)
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _encode_message(message: Message, wire: str) -> dict[str, Any]:
    encoded: dict[str, Any] = dict(message.extra) if wire == "openai" else {}
    encoded["role"] = message.role
    content = message.content
    if content is None or isinstance(content, str):
        encoded["content"] = content
    else:
        encoded["content"] = [
            {"type": "text", "text": part.text} if isinstance(part, TextPart) else part.payload
            for part in content
        ]
    if message.name is not None:
        encoded["name"] = message.name
    if message.tool_calls:
        encoded["tool_calls"] = [encode_tool_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        encoded["tool_call_id"] = message.tool_call_id
    return encoded


def encode_tool_call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _encode_tool(tool: ToolSpec) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _encode_tool_choice(choice: ToolChoice) -> Any:
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _encode_response_format(wanted: ResponseFormat) -> dict[str, Any]:
    if wanted.kind == "json_schema":
        return {"type": "json_schema", "json_schema": wanted.schema}
    return {"type": wanted.kind}
