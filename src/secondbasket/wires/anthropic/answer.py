"""An answer on the Messages wire, as an upstream sends it: bytes → Chunk.

A stream numbers its content blocks and opens and closes each, so that on this
wire also an event that came twice, or not at all, is seen.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from secondbasket.core.chat import ChoiceDelta, Chunk, FinishReason, ToolCallDelta
from secondbasket.core.usage import Usage
from secondbasket.errors import UpstreamBroken
from secondbasket.wires.anthropic.errors import decode_error_object

# As on the other wire: no count is larger than a column of the ledger, nor less than nothing.
_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]

_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Usage(msgspec.Struct):
    """None where an event does not repeat a count; each is of the whole call so far."""

    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, Any] = {}


class _StopDetails(msgspec.Struct):
    explanation: str | None = None


class _Delta(msgspec.Struct):
    """Of a content block, or of the message."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class _Message(msgspec.Struct):
    content: list[_Block] = []
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: _Usage | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = -1
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


class _Whole(_Message):
    type: str = ""
    error: Any = None


_EVENT = msgspec.json.Decoder(_Event)
_WHOLE = msgspec.json.Decoder(_Whole)
_NOT_OF_ITS_WIRE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class MessagesAnswer:
    """Reads one call's answer. Raises UpstreamBroken where it is not of the wire, and whatever
    error comes in its place."""

    def __init__(self) -> None:
        self.ended = False
        self.finished = False
        self._begun = False
        self._blocks = 0
        self._open: _Block | None = None
        self._arguments = False
        self._calls = 0
        self._counts = _Usage()

    def whole(self, body: bytes) -> Chunk:
        """The plain answer in `body`."""
        try:
            answer = _WHOLE.decode(body)
        except _NOT_OF_ITS_WIRE as exc:
            raise UpstreamBroken(f"The upstream's answer is not of its wire: {exc}.") from exc
        if answer.type == "error":
            raise decode_error_object(answer.error)
        if answer.type != "message":
            raise UpstreamBroken("The upstream's answer is no message.")
        steps = []
        for block in answer.content:
            steps += [self._start(block), self._stop(block)]
        steps.append(self._finish(answer.stop_reason, answer.stop_details))
        return Chunk(tuple(step for step in steps if step), self._count(answer.usage))

    def event(self, data: bytes) -> Chunk | None:
        """The next step of the answer; None where an event has nothing in it for us."""
        try:
            event = _EVENT.decode(data)
        except _NOT_OF_ITS_WIRE as exc:
            raise UpstreamBroken(f"The upstream's stream is not of its wire: {exc}.") from exc
        if event.type == "error":
            raise decode_error_object(event.error)
        step = self._step(event)
        usage = event.message.usage if event.message else event.usage
        if step is None and usage is None:
            return None
        return Chunk((step,) if step else (), self._count(usage))

    def _step(self, event: _Event) -> ChoiceDelta | None:
        match event.type:
            case "message_start":
                self._in_order(not self._begun)
                self._begun = True
            case "content_block_start":
                block = event.content_block
                self._in_order(self._begun and self._open is None and not self.finished)
                self._in_order(block is not None and event.index == self._blocks)
                self._open, self._arguments = block, False
                self._blocks += 1
                return self._start(block) if block else None
            case "content_block_delta":
                self._in_order(self._open is not None and event.index == self._blocks - 1)
                return self._gain(event.delta or _Delta())
            case "content_block_stop":
                block = self._open
                self._in_order(block is not None and event.index == self._blocks - 1)
                self._open = None
                return self._stop(block) if block else None
            case "message_delta":
                self._in_order(self._begun and self._open is None)
                delta = event.delta or _Delta()
                if delta.stop_reason is not None:
                    self._in_order(not self.finished)
                    return self._finish(delta.stop_reason, delta.stop_details)
            case "message_stop":
                self.ended = True
        # Whatever else there is or will be (pings, kinds of blocks) holds nothing for a caller.
        return None

    def _in_order(self, held: bool) -> None:
        if not held:
            raise UpstreamBroken(
                "The upstream's stream is out of order: an event lacks or is double."
            )

    def _start(self, block: _Block) -> ChoiceDelta | None:
        if block.type == "tool_use":
            self._calls += 1
            return ChoiceDelta(tool_calls=(ToolCallDelta(self._calls - 1, block.id, block.name),))
        if block.type in ("text", "thinking") and (block.text or block.thinking):
            return ChoiceDelta(text=block.text, reasoning=block.thinking)
        return None

    def _gain(self, delta: _Delta) -> ChoiceDelta | None:
        kind = self._open.type if self._open else ""
        match delta.type:
            case "text_delta":
                self._in_order(kind == "text")
                return ChoiceDelta(text=delta.text)
            case "thinking_delta":
                self._in_order(kind == "thinking")
                return ChoiceDelta(reasoning=delta.thinking)
            case "input_json_delta":
                if kind != "tool_use":  # of a tool that the provider runs itself
                    return None
                self._arguments = self._arguments or bool(delta.partial_json)
                call = ToolCallDelta(self._calls - 1, arguments=delta.partial_json)
                return ChoiceDelta(tool_calls=(call,))
        return None

    def _stop(self, block: _Block) -> ChoiceDelta | None:
        """Arguments that never came in fragments are those that the block began with."""
        if block.type != "tool_use" or self._arguments:
            return None
        arguments = msgspec.json.encode(block.input).decode()
        return ChoiceDelta(tool_calls=(ToolCallDelta(self._calls - 1, arguments=arguments),))

    def _finish(self, reason: str | None, details: _StopDetails | None) -> ChoiceDelta:
        if reason is None or reason == "pause_turn":
            raise UpstreamBroken("The upstream paused in the middle of its answer.")
        self.finished = True
        explanation = details.explanation if details and reason == "refusal" else None
        return ChoiceDelta(refusal=explanation, finish_reason=_FINISH.get(reason, "stop"))

    def _count(self, told: _Usage | None) -> Usage | None:
        """What was used so far: what is read anew, kept for later and taken from before."""
        if told is None:
            return None
        for name in told.__struct_fields__:
            count = getattr(told, name)
            if count is not None:
                setattr(self._counts, name, count)
        counts = self._counts
        read = counts.cache_read_input_tokens or 0
        return Usage(
            (counts.input_tokens or 0) + (counts.cache_creation_input_tokens or 0) + read,
            counts.output_tokens or 0,
            read,
        )
