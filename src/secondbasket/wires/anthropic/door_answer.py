"""An answer on the Messages wire at our door: Chunk → bytes, in one piece or as a stream.

Complete by the published schema. Thinking carries no signature: it is shown,
and cannot be handed back to its author as its own.
"""

from typing import Any

import msgspec

from secondbasket.core.chat import Choice, Chunk, FinishReason, ToolCall, ToolCallDelta
from secondbasket.core.usage import Usage
from secondbasket.errors import UpstreamBroken

_STOP: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
# What a block of each kind begins with.
_TEXT: dict[str, Any] = {"type": "text", "text": ""}
_THINKING: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}


def encode_message(*, identity: str, model: str, choice: Choice, usage: Usage) -> bytes:
    """The plain answer as a `message` object."""
    content: list[dict[str, Any]] = []
    if choice.reasoning:
        content.append(_THINKING | {"thinking": choice.reasoning})
    if choice.text:
        content.append(_TEXT | {"text": choice.text})
    content += [_tool_use(call.id, call.name, _input(call)) for call in choice.tool_calls]
    return msgspec.json.encode(
        _message(identity, model, usage)
        | {"content": content}
        | _end(choice.finish_reason or "stop", choice.refusal)
    )


def _message(identity: str, model: str, usage: Usage) -> dict[str, Any]:
    return {
        "id": identity,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": _usage(usage),
    }


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens - usage.cached_input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
    }


def _end(reason: FinishReason, refusal: str | None) -> dict[str, Any]:
    refused = reason == "content_filter"
    details = {"type": "refusal", "category": None, "explanation": refusal} if refused else None
    return {"stop_reason": _STOP[reason], "stop_sequence": None, "stop_details": details}


def _tool_use(identity: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": name, "input": given}


def _input(call: ToolCall) -> dict[str, Any]:
    """The arguments as the object that the wire demands; what is none is wrapped in one, under
    the key that Anthropic's documentation uses for it."""
    try:
        return msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {"INVALID_JSON": call.arguments}


class MessagesStreamEncoder:
    """Encodes the chunks of one stream as server-sent events, blocks opened and closed."""

    def __init__(self, *, identity: str, model: str) -> None:
        self._identity = identity
        self._model = model
        self._begun = False
        self._blocks = 0
        self._open: str | int | None = None  # 'text', 'thinking', or the position of a tool call
        self._calls: set[int] = set()
        self._reason: FinishReason = "stop"
        self._refusal: str | None = None

    def chunk(self, chunk: Chunk) -> bytes:
        """The events that `chunk` becomes; its end is kept for `end`, which has the counts."""
        events: list[bytes] = []
        if not self._begun:
            self._begun = True
            begun = _message(self._identity, self._model, chunk.usage or Usage())
            events.append(_event("message_start", message=begun))
        for choice in chunk.choices:
            if choice.reasoning:
                delta = {"type": "thinking_delta", "thinking": choice.reasoning}
                events += self._gain("thinking", _THINKING, delta)
            if choice.text:
                events += self._gain("text", _TEXT, {"type": "text_delta", "text": choice.text})
            for call in choice.tool_calls:
                events += self._call(call)
            self._refusal = choice.refusal or self._refusal
            self._reason = choice.finish_reason or self._reason
        return b"".join(events)

    def _call(self, call: ToolCallDelta) -> list[bytes]:
        if call.index != self._open and call.index in self._calls:
            raise UpstreamBroken("The upstream writes several tool calls at once.")
        self._calls.add(call.index)
        begin = _tool_use(call.id or "", call.name or "", {})
        return self._gain(
            call.index, begin, {"type": "input_json_delta", "partial_json": call.arguments}
        )

    def _gain(self, kind: str | int, begin: dict[str, Any], delta: dict[str, Any]) -> list[bytes]:
        events: list[bytes] = []
        if self._open != kind:
            events += self._close()
            self._open = kind
            self._blocks += 1
            events.append(
                _event("content_block_start", index=self._blocks - 1, content_block=begin)
            )
        events.append(_event("content_block_delta", index=self._blocks - 1, delta=delta))
        return events

    def _close(self) -> list[bytes]:
        if self._open is None:
            return []
        self._open = None
        return [_event("content_block_stop", index=self._blocks - 1)]

    def end(self, usage: Usage) -> bytes:
        """The last events: why it ended, and what was used."""
        end = _event("message_delta", delta=_end(self._reason, self._refusal), usage=_usage(usage))
        return b"".join([*self._close(), end, _event("message_stop")])


def _event(kind: str, **fields: Any) -> bytes:
    data = msgspec.json.encode({"type": kind} | fields)
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def encode_error_event(error: bytes) -> bytes:
    """An error's body as the event that ends a stream."""
    return b"event: error\ndata: " + error + b"\n\n"
