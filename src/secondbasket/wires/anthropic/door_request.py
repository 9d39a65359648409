"""A request on the Messages wire at our door: body → ChatRequest.

Read as the chat-completions vocabulary that all of us share. Marks for the
provider's prompt cache and thinking of earlier turns, which only their author
can check, are left out. Tools that a provider would run itself are refused:
what they reach is not the caller's to choose.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from secondbasket.core.chat import (
    ChatRequest,
    Content,
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
from secondbasket.wires.anthropic.media import decode_media
from secondbasket.wires.openai.fields import (
    at_most,
    convert,
    field_names,
    parse,
    parts_at_most,
    unknown,
)

# By these a caller would choose where, by whom and at what price the operator's provider answers.
_STEERING = frozenset(
    "container diagnostics inference_geo mcp_servers speed user_profile_id workspace_id".split()
)
_Share = Annotated[float, Meta(ge=0, le=1)]


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class _Tool(msgspec.Struct):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str = ""
    input_schema: dict[str, Any] = {}
    strict: bool | None = None
    type: str | None = None


class _ToolChoice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Format(msgspec.Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class _OutputConfig(msgspec.Struct):
    format: _Format | None = None


class _Body(msgspec.Struct):
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[_Message], Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    system: str | list[dict[str, Any]] | None = None
    temperature: _Share | None = None
    top_p: _Share | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=16)] | None = None
    stream: bool | None = None
    tools: Annotated[list[_Tool], Meta(max_length=128)] | None = None
    tool_choice: _ToolChoice | None = None
    output_config: _OutputConfig | None = None


_BODY = field_names(_Body)
_CUSTOM = (None, "custom")


def decode_messages_request(body: bytes) -> ChatRequest:
    """The request in `body`. Raises InvalidRequest (400) naming the field at fault."""
    raw = parse(body)
    for name in raw:
        if name in _STEERING:
            raise UnsupportedField(
                f"The field '{name}' steers the provider and is not a caller's to set.",
                hint="Remove it; the operator sets this in basket.toml.",
                param=name,
            )
    at_most(raw, "messages")
    parts_at_most(raw)
    call = convert(raw, _Body)
    tools = tuple(map(_tool, call.tools or ()))
    choice, parallel = _tool_choice(call.tool_choice, tools)
    return ChatRequest(
        model=call.model,
        messages=(*_system(call.system), *_messages(call.messages)),
        sampling=Sampling(
            temperature=call.temperature,
            top_p=call.top_p,
            max_tokens=call.max_tokens,
            stop=tuple(call.stop_sequences or ()),
        ),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        response_format=_format(call.output_config),
        stream=bool(call.stream),
        include_usage=True,
        wire="anthropic",
        extra=_extra(raw),
    )


def _extra(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What travels on to the same wire only, the rest of `output_config` included."""
    extra = unknown(raw, _BODY)
    config = raw.get("output_config")
    if isinstance(config, dict) and (rest := {k: v for k, v in config.items() if k != "format"}):
        extra["output_config"] = rest
    return extra


def _system(given: str | list[dict[str, Any]] | None) -> Iterator[Message]:
    if given:
        yield Message(role="system", content=_content(given))


def _messages(given: Iterable[_Message]) -> Iterator[Message]:
    for message in given:
        if message.role == "assistant":
            yield _assistant(message.content)
        elif isinstance(message.content, str):
            yield Message(role=message.role, content=message.content)
        else:
            yield from _spoken(message.role, message.content)


def _spoken(role: Literal["user", "system"], blocks: list[dict[str, Any]]) -> Iterator[Message]:
    """A turn of the user: results of tools are messages of their own."""
    rest: list[dict[str, Any]] = []
    for block in blocks:
        if block.get("type") != "tool_result":
            rest.append(block)
            continue
        identity = block.get("tool_use_id")
        if not isinstance(identity, str):
            raise InvalidRequest("A 'tool_result' needs a 'tool_use_id'.", param="messages")
        if rest:
            yield Message(role=role, content=_content(rest))
            rest = []
        content = block.get("content", "")
        if not isinstance(content, str | list):
            raise InvalidRequest("A 'tool_result' has text or blocks.", param="messages")
        extra = {"is_error": True} if block.get("is_error") is True else {}
        yield Message(role="tool", content=_content(content), tool_call_id=identity, extra=extra)
    if rest:
        yield Message(role=role, content=_content(rest))


def _assistant(content: str | list[dict[str, Any]]) -> Message:
    if isinstance(content, str):
        return Message(role="assistant", content=content)
    calls, said = [], []
    for block in content:
        kind = block.get("type")
        if kind == "tool_use":
            calls.append(_tool_call(block))
        elif kind not in ("thinking", "redacted_thinking"):
            said.append(block)
    return Message(
        role="assistant", content=_content(said) if said else None, tool_calls=tuple(calls)
    )


def _tool_call(block: Mapping[str, Any]) -> ToolCall:
    match block:
        case {"id": str(identity), "name": str(name), "input": dict(given)}:
            return ToolCall(identity, name, msgspec.json.encode(given).decode())
    raise InvalidRequest("A 'tool_use' needs 'id', 'name' and 'input'.", param="messages")


def _content(given: str | list[Any]) -> Content:
    return given if isinstance(given, str) else tuple(map(_part, given))


def _part(block: Any) -> TextPart | MediaPart:
    match block:
        case {"type": "text", "text": str(text)}:
            return TextPart(text)
        case {"type": "image" | "document"}:
            return decode_media(block)
        case {"type": str(kind)}:
            raise InvalidRequest(
                f"Content blocks of type '{kind[:40]}' are not read here.", param="messages"
            )
    raise InvalidRequest("A content block needs a 'type'.", param="messages")


def _tool(tool: _Tool) -> ToolSpec:
    if tool.type not in _CUSTOM:
        raise UnsupportedField(
            f"The tool '{tool.name}' is of type '{str(tool.type)[:40]}', which a provider would run"
            " itself.",
            hint="Give tools of your own, with an 'input_schema'.",
            param="tools",
        )
    return ToolSpec(
        name=tool.name,
        description=tool.description,
        parameters=tool.input_schema,
        strict=tool.strict,
    )


def _tool_choice(
    choice: _ToolChoice | None, tools: tuple[ToolSpec, ...]
) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether several calls at once are allowed."""
    if choice is None:
        return None, None
    parallel = (
        None if choice.disable_parallel_tool_use is None else (not choice.disable_parallel_tool_use)
    )
    if choice.type == "none":
        return ToolChoice("none"), parallel
    if not tools:
        raise InvalidRequest("'tool_choice' needs 'tools'.", param="tool_choice")
    if choice.type == "tool":
        if choice.name not in {tool.name for tool in tools}:
            raise InvalidRequest(
                f"'tool_choice' names '{choice.name}', which is not among 'tools'.",
                param="tool_choice",
            )
        return ToolChoice("named", choice.name), parallel
    return ToolChoice("required" if choice.type == "any" else "auto"), parallel


def _format(config: _OutputConfig | None) -> ResponseFormat | None:
    if config is None or config.format is None:
        return None
    return ResponseFormat("json_schema", {"name": "answer", "schema": config.format.schema})
