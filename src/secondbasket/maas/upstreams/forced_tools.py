"""Making a model call the tool it was told to call.

Engines parse tool calls out of free text, which a small model does not write
on demand. Where `tool_choice` leaves no choice, the answer is therefore
constrained by the tool's own JSON Schema and turned back into a tool call.
"""

import json
from typing import Any

import msgspec

from secondbasket.core.chat import (
    ChatRequest,
    ChoiceDelta,
    Chunk,
    Message,
    ResponseFormat,
    TextPart,
    ToolCallDelta,
    ToolSpec,
)
from secondbasket.core.ids import new_id


class ForcedToolCall:
    """Rewrites one request, then its chunks. With one tool, arguments stream as they come;
    with several the model first names its tool, so the call is held until it is whole."""

    def __init__(self, request: ChatRequest) -> None:
        choice = request.tool_choice
        named = choice.name if choice is not None else None
        self._tools = [tool for tool in request.tools if named in (None, tool.name)]
        self._single = len(self._tools) == 1
        self._identities: dict[int, str] = {}
        self._held: dict[int, list[str]] = {}
        self.request = msgspec.structs.replace(
            request,
            messages=_instructed(request.messages, self._tools),
            tools=(),
            tool_choice=None,
            parallel_tool_calls=None,
            response_format=ResponseFormat(
                "json_schema", {"name": "tool_call", "schema": self._schema()}
            ),
        )

    @staticmethod
    def wanted(request: ChatRequest) -> bool:
        choice = request.tool_choice
        return choice is not None and choice.mode in ("required", "named")

    def _schema(self) -> dict[str, Any]:
        if self._single:
            return _object_schema(self._tools[0])
        return {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {
                        "name": {"const": tool.name},
                        "arguments": _object_schema(tool),
                    },
                    "required": ["name", "arguments"],
                    "additionalProperties": False,
                }
                for tool in self._tools
            ]
        }

    def unwrap(self, chunk: Chunk) -> Chunk:
        """The same step of the answer as tool-call fragments in place of text."""
        return Chunk(tuple(map(self._unwrap, chunk.choices)), chunk.usage)

    def _unwrap(self, choice: ChoiceDelta) -> ChoiceDelta:
        calls = self._stream(choice) if self._single else self._hold(choice)
        reason = choice.finish_reason
        return ChoiceDelta(
            index=choice.index,
            tool_calls=calls,
            logprobs=choice.logprobs,
            finish_reason="tool_calls" if reason == "stop" else reason,
        )

    def _stream(self, choice: ChoiceDelta) -> tuple[ToolCallDelta, ...]:
        if choice.index not in self._identities:
            identity = self._identities[choice.index] = new_id("call")
            return (ToolCallDelta(0, identity, self._tools[0].name, choice.text),)
        return (ToolCallDelta(0, arguments=choice.text),) if choice.text else ()

    def _hold(self, choice: ChoiceDelta) -> tuple[ToolCallDelta, ...]:
        held = self._held.setdefault(choice.index, [])
        held.append(choice.text)
        if choice.finish_reason is None:
            return ()
        name, arguments = _split("".join(held))
        return (ToolCallDelta(0, new_id("call"), name or self._tools[0].name, arguments),)


def _split(text: str) -> tuple[str, str]:
    """(name, arguments) of ``{"name": …, "arguments": …}``, also where it was cut short."""
    try:
        call = json.loads(text)
        return call["name"], json.dumps(call["arguments"], ensure_ascii=False)
    except (ValueError, KeyError, TypeError):
        head, _, arguments = text.partition('"arguments"')
        name = head.rpartition('"name"')[2].strip(' :,{\n"')
        return name, arguments.lstrip(" :\n")


def _object_schema(tool: ToolSpec) -> dict[str, Any]:
    return dict(tool.parameters) or {"type": "object", "properties": {}}


def _instructed(messages: tuple[Message, ...], tools: list[ToolSpec]) -> tuple[Message, ...]:
    """The conversation with the tools told in words, since no template shows them now."""
    told = "\n".join(
        f"- {tool.name}: {tool.description or 'no description'}. "
        f"Arguments (JSON Schema): {json.dumps(_object_schema(tool), ensure_ascii=False)}"
        for tool in tools
    )
    form = (
        f"Answer with the JSON arguments of a call to '{tools[0].name}' and nothing else."
        if len(tools) == 1
        else 'Answer with {"name": …, "arguments": …} of one call and nothing else.'
    )
    instruction = f"You can call these functions:\n{told}\n{form}"
    first = messages[0]
    if first.role in ("system", "developer") and first.content is not None:
        content = first.content
        joined = (
            f"{content}\n\n{instruction}"
            if isinstance(content, str)
            else (*content, TextPart(instruction))
        )
        return (msgspec.structs.replace(first, content=joined), *messages[1:])
    return (Message(role="system", content=instruction), *messages)
