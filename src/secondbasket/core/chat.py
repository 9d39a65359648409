"""What is asked of a model and what it answers, free of any wire format.

The vocabulary follows the chat-completions wire where every wire agrees.
`extra` carries the fields of a wire that we do not know; they travel on only
to an upstream that speaks the same `wire`. `include_usage` asks for the token
counts at the end of a stream.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from secondbasket.core.usage import Usage

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class TextPart(msgspec.Struct, frozen=True):
    text: str


class MediaPart(msgspec.Struct, frozen=True):
    """An image, sound or file inside a message, as the wire gave it."""

    kind: str
    payload: Mapping[str, Any]


Content = str | tuple[TextPart | MediaPart, ...] | None


class ToolCall(msgspec.Struct, frozen=True):
    """`arguments` is the JSON text the model wrote; it may not parse."""

    id: str
    name: str
    arguments: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    role: Role
    content: Content = None
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    extra: Mapping[str, Any] = {}


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A function the model may call. `parameters` is a JSON Schema object."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = {}
    strict: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    """`mode` as the wires know it; `name` only when one tool is demanded."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """None means: not given, the upstream's own default holds."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Mapping[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int = 1


class ResponseFormat(msgspec.Struct, frozen=True):
    """`schema` is the wire's json_schema object (name, schema, strict) when `kind` asks for one."""

    kind: Literal["text", "json_object", "json_schema"]
    schema: Mapping[str, Any] | None = None


# No image, sound or file is more tokens than this; its own bytes say nothing of them.
_MEDIA_BYTES = 1024 * 1024


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    stream: bool = False
    include_usage: bool = False
    wire: str = "openai"
    extra: Mapping[str, Any] = {}

    @property
    def text_bytes(self) -> int:
        """Bytes of everything the model reads: an upper bound of its tokens, template aside."""
        total = 0
        for message in self.messages:
            content = message.content
            if isinstance(content, str):
                total += len(content.encode())
            elif content:
                total += sum(
                    len(part.text.encode()) if isinstance(part, TextPart) else _MEDIA_BYTES
                    for part in content
                )
            total += sum(len(c.name) + len(c.arguments.encode()) for c in message.tool_calls)
            total += len(message.name or "") + len(message.tool_call_id or "")
            if message.extra:
                total += len(msgspec.json.encode(message.extra))
        if self.tools:
            total += len(msgspec.json.encode(self.tools))
        return total


class CompletionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The older text-in, text-out call. Token prompts are token ids of the model."""

    model: str
    prompts: tuple[str | tuple[int, ...], ...]
    sampling: Sampling = Sampling()
    echo: bool = False
    suffix: str | None = None
    stream: bool = False
    include_usage: bool = False
    wire: str = "openai"
    extra: Mapping[str, Any] = {}

    @property
    def text_bytes(self) -> int:
        return sum(len(p.encode()) if isinstance(p, str) else len(p) for p in self.prompts)


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    wire: str = "openai"
    extra: Mapping[str, Any] = {}

    @property
    def text_bytes(self) -> int:
        return sum(len(p.encode()) if isinstance(p, str) else len(p) for p in self.inputs)


class EmbeddingAnswer(msgspec.Struct, frozen=True):
    """One vector per input, in order; all of one length. `counted`: its upstream told the usage."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage
    counted: bool = True


class ToolCallDelta(msgspec.Struct, frozen=True):
    """A fragment of the tool call at `index`; id and name come with its first fragment."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class ChoiceDelta(msgspec.Struct, frozen=True, kw_only=True):
    """What one choice gained. `finish_reason` comes once, with or after the last text."""

    index: int = 0
    text: str = ""
    reasoning: str = ""
    refusal: str | None = None
    tool_calls: tuple[ToolCallDelta, ...] = ()
    logprobs: Mapping[str, Any] | None = None
    finish_reason: FinishReason | None = None

    @property
    def has_content(self) -> bool:
        """Whether it brings anything of the answer itself, its end aside."""
        return bool(self.text or self.reasoning or self.refusal) or any(
            call.id or call.name or call.arguments for call in self.tool_calls
        )


class Chunk(msgspec.Struct, frozen=True):
    """One step of an answer. `usage`, where given, counts the whole call so far."""

    choices: tuple[ChoiceDelta, ...] = ()
    usage: Usage | None = None


class Choice(msgspec.Struct, kw_only=True):
    """One finished alternative; built up by `fold`."""

    index: int
    text: str = ""
    reasoning: str = ""
    refusal: str | None = None
    tool_calls: list[ToolCall] = []
    logprobs: dict[str, Any] | None = None
    finish_reason: FinishReason | None = None


class _Parts:
    """The fragments of one choice. Joined once, at the end: added up one by one, a million of them
    would take minutes."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, list[str]] = {}
        self.heads: dict[int, tuple[str, str]] = {}
        self.logprobs: dict[str, Any] | None = None
        self.finish_reason: FinishReason | None = None


class Fold:
    """Adds chunks up to the plain answer they are the stream of."""

    def __init__(self) -> None:
        self._parts: dict[int, _Parts] = {}

    def add(self, chunk: Chunk) -> None:
        for delta in chunk.choices:
            parts = self._parts.get(delta.index)
            if parts is None:
                parts = self._parts[delta.index] = _Parts()
            if delta.text:
                parts.text.append(delta.text)
            if delta.reasoning:
                parts.reasoning.append(delta.reasoning)
            if delta.refusal:
                parts.refusal.append(delta.refusal)
            for call in delta.tool_calls:
                identity, name = parts.heads.get(call.index, ("", ""))
                parts.heads[call.index] = (call.id or identity, call.name or name)
                parts.calls.setdefault(call.index, []).append(call.arguments)
            if delta.logprobs:
                parts.logprobs = _merge_logprobs(parts.logprobs, delta.logprobs)
            if delta.finish_reason:
                parts.finish_reason = delta.finish_reason

    def choices(self) -> list[Choice]:
        """The alternatives so far, by index."""
        return [_choice(index, parts) for index, parts in sorted(self._parts.items())]


def _choice(index: int, parts: _Parts) -> Choice:
    return Choice(
        index=index,
        text="".join(parts.text),
        reasoning="".join(parts.reasoning),
        refusal="".join(parts.refusal) or None,
        tool_calls=[
            ToolCall(*parts.heads[position], "".join(fragments))
            for position, fragments in sorted(parts.calls.items())
        ],
        logprobs=parts.logprobs,
        finish_reason=parts.finish_reason,
    )


def _merge_logprobs(merged: dict[str, Any] | None, right: Mapping[str, Any]) -> dict[str, Any]:
    """Log-probabilities of a stream are lists per field; the answer's are their joins.

    `merged` is our own, and grows.
    """
    if merged is None:
        return {
            field: list(value) if isinstance(value, list) else value
            for field, value in right.items()
        }
    for field, value in right.items():
        known = merged.get(field)
        if isinstance(known, list) and isinstance(value, list):
            known += value
        else:
            merged[field] = list(value) if isinstance(value, list) else value or known
    return merged
