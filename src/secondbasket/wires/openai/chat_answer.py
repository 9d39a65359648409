"""A chat answer on the OpenAI wire: an upstream's bytes → Chunk, and Chunk → our door's bytes.

What we send is complete by the published schema, the required-but-nullable
fields included, whatever the engine left out.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from secondbasket.core.chat import (
    Choice,
    ChoiceDelta,
    Chunk,
    FinishReason,
    ToolCallDelta,
)
from secondbasket.core.usage import Usage
from secondbasket.errors import UpstreamBroken
from secondbasket.wires.openai.chat_request import encode_tool_call
from secondbasket.wires.openai.errors import decode_error_object
from secondbasket.wires.openai.logprobs import Logprobs

# A count is multiplied by a price and summed: a larger one would fit no column of the ledger,
# and less than nothing would be credit.
_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class _FunctionDelta(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCallDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _FunctionDelta = msgspec.field(default_factory=_FunctionDelta)


class _Piece(msgspec.Struct):
    """`message` of a plain answer and `delta` of a stream: the same fields."""

    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCallDelta] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Piece | None = None
    delta: _Piece | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class _TokenDetails(msgspec.Struct):
    cached_tokens: _Count | None = None


class WireUsage(msgspec.Struct):
    """Token counts as the wire spells them."""

    prompt_tokens: _Count = 0
    completion_tokens: _Count = 0
    prompt_tokens_details: _TokenDetails | None = None

    def usage(self) -> Usage:
        details = self.prompt_tokens_details
        cached = details.cached_tokens if details else None
        return Usage(self.prompt_tokens, self.completion_tokens, cached or 0)


class Timings(msgspec.Struct):
    """llama.cpp's running counts, sent with every chunk when `timings_per_token` is asked."""

    prompt_n: _Count
    cache_n: _Count = 0
    predicted_n: _Count = 0

    def usage(self) -> Usage:
        return Usage(self.prompt_n + self.cache_n, self.predicted_n, self.cache_n)


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []
    usage: WireUsage | None = None
    timings: Timings | None = None
    error: dict[str, Any] | str | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
}


def decode_chat_chunk(body: bytes) -> Chunk:
    """One stream event's data, or a whole plain answer, as one Chunk.

    Raises UpstreamBroken where it is not of the wire, and whatever error the
    body carries in place of an answer (an HTTP 200 may).
    """
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise UpstreamBroken(f"The upstream's answer is not of its wire: {exc}.") from exc
    if answer.error is not None:
        raise decode_error_object(answer.error, status=None)
    if answer.usage is not None:
        usage = answer.usage.usage()
    elif answer.timings is not None:
        usage = answer.timings.usage()
    else:
        usage = None
    return Chunk(tuple(map(_choice, answer.choices)), usage)


def _choice(choice: _Choice) -> ChoiceDelta:
    piece = choice.delta or choice.message or _Piece()
    reason = choice.finish_reason
    return ChoiceDelta(
        index=choice.index,
        text=piece.content or "",
        reasoning=piece.reasoning_content or "",
        refusal=piece.refusal,
        tool_calls=tuple(
            ToolCallDelta(
                index=call.index if call.index is not None else position,
                id=call.id,
                name=call.function.name,
                arguments=call.function.arguments or "",
            )
            for position, call in enumerate(piece.tool_calls or ())
        ),
        logprobs=choice.logprobs.fields() if choice.logprobs else None,
        finish_reason=_FINISH.get(reason, "stop") if reason else None,
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
    }


def encode_chat_answer(
    *, identity: str, created: int, model: str, choices: list[Choice], usage: Usage
) -> bytes:
    """The plain answer as a `chat.completion` object."""
    return msgspec.json.encode(
        {
            "id": identity,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [_encode_choice(choice) for choice in choices],
            "usage": encode_usage(usage),
        }
    )


def _encode_choice(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text if choice.text or not choice.tool_calls else None,
        "refusal": choice.refusal,
    }
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        message["tool_calls"] = [encode_tool_call(call) for call in choice.tool_calls]
    return {
        "index": choice.index,
        "message": message,
        "logprobs": _encode_logprobs(choice.logprobs),
        "finish_reason": choice.finish_reason or "stop",
    }


def _encode_logprobs(logprobs: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if logprobs is None:
        return None
    return {kind: _encode_tokens(logprobs.get(kind)) for kind in ("content", "refusal")}


def _encode_tokens(tokens: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """The published fields only: engines add their own, such as the token's id."""
    if tokens is None:
        return None
    return [
        _encode_token(token)
        | {"top_logprobs": [_encode_token(other) for other in token.get("top_logprobs") or ()]}
        for token in tokens
    ]


def _encode_token(token: dict[str, Any]) -> dict[str, Any]:
    return {name: token.get(name) for name in ("token", "logprob", "bytes")}


class ChatStreamEncoder:
    """Encodes the chunks of one stream as `chat.completion.chunk` objects."""

    def __init__(self, *, identity: str, created: int, model: str, include_usage: bool) -> None:
        self._frame: dict[str, Any] = {
            "id": identity,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._include_usage = include_usage
        self._begun: set[int] = set()

    def chunk(self, chunk: Chunk) -> list[bytes]:
        """The data of the events that `chunk` becomes; none where it only counts."""
        if not chunk.choices:
            return []
        frame = self._frame | {"choices": [self._choice(delta) for delta in chunk.choices]}
        if self._include_usage:
            frame["usage"] = None
        return [msgspec.json.encode(frame)]

    def _choice(self, choice: ChoiceDelta) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if choice.index not in self._begun:
            self._begun.add(choice.index)
            delta["role"] = "assistant"
            delta["content"] = choice.text if not choice.tool_calls else None
        elif choice.text:
            delta["content"] = choice.text
        if choice.reasoning:
            delta["reasoning_content"] = choice.reasoning
        if choice.refusal is not None:
            delta["refusal"] = choice.refusal
        if choice.tool_calls:
            delta["tool_calls"] = [_encode_tool_call_delta(call) for call in choice.tool_calls]
        return {
            "index": choice.index,
            "delta": delta,
            "logprobs": _encode_logprobs(choice.logprobs),
            "finish_reason": choice.finish_reason,
        }

    def end(self, usage: Usage) -> list[bytes]:
        """The data of the last events before [DONE]."""
        if not self._include_usage:
            return []
        return [msgspec.json.encode(self._frame | {"choices": [], "usage": encode_usage(usage)})]


def _encode_tool_call_delta(call: ToolCallDelta) -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": call.arguments}
    encoded: dict[str, Any] = {"index": call.index, "function": function}
    if call.name is not None:
        function["name"] = call.name
    if call.id is not None:
        encoded |= {"id": call.id, "type": "function"}
    return encoded
