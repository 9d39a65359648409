"""A chat request on the Messages wire, as an upstream of ours is asked: ChatRequest → body.

What the wire cannot say is refused where leaving it out would change what the
caller gets: more than one alternative, log-probabilities, forced or forbidden
tokens, a seed, free JSON, sound. What only colours the writing is left out:
presence and frequency penalties, the names of speakers, the rest of another
wire's fields.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from secondbasket.core.chat import (
    ChatRequest,
    Content,
    MediaPart,
    Message,
    Sampling,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolSpec,
)
from secondbasket.errors import UnsupportedField
from secondbasket.wires.anthropic.media import encode_media
from secondbasket.wires.anthropic.schema import closed

_SYSTEM = ("system", "developer")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_NOT_OF_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_HIGHEST_TEMPERATURE = 1.0

Block = dict[str, Any]


def require_expressible(request: ChatRequest, *, prefill: bool) -> None:
    """Raises UnsupportedField for what the wire cannot say, naming the field.

    `prefill`: the model goes on with a half-written answer.
    """
    _require(request, prefill=prefill)
    for message in request.messages:
        if message.tool_calls or not isinstance(message.content, str):
            _blocks(message)


def _require(request: ChatRequest, *, prefill: bool) -> None:
    """What need not be encoded to be refused."""
    sampling, form = request.sampling, request.response_format
    if sampling.n != 1:
        raise _unsupported("n", "gives one answer a call", "Ask several times.")
    if sampling.logprobs:
        raise _unsupported("logprobs", "tells no log-probabilities")
    if sampling.logit_bias:
        raise _unsupported("logit_bias", "weighs no tokens")
    if sampling.seed is not None:
        raise _unsupported("seed", "gives no reproducible answers")
    if any(not stop.strip() for stop in sampling.stop):
        raise _unsupported("stop", "stops at no white space")
    if form is not None and form.kind == "json_object":
        raise _unsupported(
            "response_format", "writes JSON by a schema only", "Give one: type json_schema."
        )
    for tool in request.tools:
        if not _NAME.fullmatch(tool.name):
            raise _unsupported("tools", f"has no tools of a name like '{tool.name[:64]}'")
    if all(message.role in _SYSTEM for message in request.messages):
        raise _unsupported("messages", "needs a message of the user")
    if any(message.role == "function" for message in request.messages):
        raise _unsupported("messages", "knows results of tools by their call only")
    last = request.messages[-1]
    if last.role == "assistant" and not prefill:
        raise _unsupported(
            "messages",
            "does not go on with a half-written answer",
            "End the conversation with a message of the user.",
        )


def _unsupported(param: str, why: str, hint: str = "Leave it out.") -> UnsupportedField:
    return UnsupportedField(
        f"'{param}' asks for what this model's provider cannot be asked: it {why}.",
        hint=hint,
        param=param,
    )


def encode_messages_request(
    request: ChatRequest, *, model: str, most_tokens: int, sampling: bool, prefill: bool
) -> Block:
    """The body of a streamed call. Raises UnsupportedField.

    `most_tokens` bounds the answer where the caller does not: the wire insists.
    `sampling`: the model takes temperature and top_p.
    """
    _require(request, prefill=prefill)
    body: Block = dict(request.extra) if request.wire == "anthropic" else {}
    body |= {
        "model": model,
        "max_tokens": request.sampling.max_tokens or most_tokens,
        "stream": True,
        "messages": _turns(request.messages),
    }
    if system := _system(request.messages):
        body["system"] = system
    if sampling:
        body |= _sampling(request.sampling)
    if request.sampling.stop:
        body["stop_sequences"] = list(request.sampling.stop)
    body |= _tools(request)
    form = request.response_format
    if form is not None and form.kind == "json_schema":
        schema = closed((form.schema or {}).get("schema") or {"type": "object"})
        body["output_config"] = {
            **body.get("output_config", {}),
            "format": {"type": "json_schema", "schema": schema},
        }
    return body


def _sampling(sampling: Sampling) -> Block:
    """One of the two: models of the years between refuse both together."""
    if sampling.temperature is not None:
        return {"temperature": min(sampling.temperature, _HIGHEST_TEMPERATURE)}
    return {} if sampling.top_p is None else {"top_p": sampling.top_p}


def _system(messages: Iterable[Message]) -> list[Block]:
    """All instructions in their order. They lead the conversation on this wire, wherever they
    stood: only some of its models take one in the middle."""
    return [
        block
        for message in messages
        if message.role in _SYSTEM
        for block in _content(message.content)
    ]


def _turns(messages: Sequence[Message]) -> list[Block]:
    """Turns of the user and the assistant; what one of them says in a row is one turn."""
    turns: list[Block] = []
    for message in messages:
        if message.role in _SYSTEM:
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> list[Block]:
    if message.role == "tool":
        result = {
            "type": "tool_result",
            "tool_use_id": _identity(message.tool_call_id or ""),
            "content": _content(message.content),
        }
        return [result | ({"is_error": True} if message.extra.get("is_error") is True else {})]
    return [*_content(message.content), *map(_tool_use, message.tool_calls)]


def _content(content: Content) -> list[Block]:
    """Blocks of a message; the wire has none without text."""
    if content is None:
        return []
    parts = (TextPart(content),) if isinstance(content, str) else content
    return [
        encode_media(part) if isinstance(part, MediaPart) else {"type": "text", "text": part.text}
        for part in parts
        if isinstance(part, MediaPart) or part.text
    ]


def _tool_use(call: ToolCall) -> Block:
    try:
        given = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as exc:
        raise _unsupported(
            "messages", f"reads calls with a JSON object only, which '{call.name[:64]}' has not"
        ) from exc
    return {"type": "tool_use", "id": _identity(call.id), "name": call.name, "input": given}


def _identity(identity: str) -> str:
    """A call's id within the letters of the wire, the same for the call and for its result."""
    return _NOT_OF_AN_ID.sub("_", identity)


def _tools(request: ChatRequest) -> Block:
    if not request.tools:
        # A conversation in which tools were called is refused where none is declared.
        called = {call.name for message in request.messages for call in message.tool_calls}
        past = [ToolSpec(name=name) for name in sorted(called)]
        return _declared(past) | {"tool_choice": {"type": "none"}} if past else {}
    choice = _tool_choice(request.tool_choice)
    if request.parallel_tool_calls is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    tools = _declared(request.tools)
    return tools if choice == {"type": "auto"} else tools | {"tool_choice": choice}


def _tool_choice(choice: ToolChoice | None) -> Block:
    match choice:
        case ToolChoice("named", name):
            return {"type": "tool", "name": name}
        case ToolChoice("required"):
            return {"type": "any"}
        case ToolChoice("none"):
            return {"type": "none"}
    return {"type": "auto"}


def _declared(tools: Iterable[ToolSpec]) -> Block:
    return {"tools": [_tool(tool) for tool in tools]}


def _tool(tool: ToolSpec) -> Block:
    encoded: Block = {
        "name": tool.name,
        "input_schema": {"type": "object", "properties": {}} | dict(tool.parameters),
    }
    if tool.description:
        encoded["description"] = tool.description
    if tool.strict is not None:
        encoded["strict"] = tool.strict
    return encoded
