"""What the OpenVINO child reads and says: the OpenAI wire as llama.cpp's server speaks it."""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from secondbasket.cloud.engines.schema_subset import SchemaRefused, checked_schema

_Id = Annotated[int, Meta(ge=0)]


class Refused(Exception):
    """A call that is not served as it is: an answer of status 400 unless `status` says another."""

    def __init__(
        self, message: str, *, kind: str = "invalid_request_error", status: int = 400, **counts: int
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": status, "message": message, "type": kind, **counts}


class Schema(msgspec.Struct):
    schema: dict[str, Any] = {}


class ResponseFormat(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None

    def checked(self) -> str | None:
        """The JSON Schema that constrains the answer; None for free text. Raises Refused."""
        if self.type == "text":
            return None
        wanted = self.json_schema.schema if self.json_schema is not None else {"type": "object"}
        try:
            return json.dumps(checked_schema(wanted), ensure_ascii=False)
        except SchemaRefused as exc:
            raise Refused(f"This engine does not take that JSON Schema: {exc}.") from exc


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Sampling(msgspec.Struct, kw_only=True):
    """What both calls share. What is not given is as llama.cpp's server has it."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_penalty: float | None = None
    ignore_eos: bool | None = None
    logit_bias: dict[str, float] | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    timings_per_token: bool | None = None

    def require_served(self, top_logprobs: int | None) -> None:
        """Raises Refused for what would change the answer and cannot be done here."""
        if self.logit_bias:
            raise Refused("'logit_bias' is not served by this engine.")
        if top_logprobs:
            raise Refused(
                "This engine tells the probability of the chosen token only: leave out"
                " 'top_logprobs'."
            )
        if self.n not in (None, 1):
            raise Refused("This engine gives one choice a call.")

    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else (self.stop or [])


class ToolFunction(msgspec.Struct):
    name: str
    arguments: str = ""


class ToolCall(msgspec.Struct):
    function: ToolFunction
    id: str = ""


class Message(msgspec.Struct, kw_only=True, omit_defaults=True):
    role: str
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None

    def for_template(self) -> dict[str, Any]:
        """As chat templates know messages. Raises Refused for a part that is no text."""
        told: dict[str, Any] = {
            "role": "system" if self.role == "developer" else self.role,
            "content": self._text(),
        }
        for field in ("name", "tool_call_id", "reasoning_content"):
            value = getattr(self, field)
            if value is not None:
                told[field] = value
        if self.tool_calls:
            told["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "name": call.function.name,
                        "arguments": _arguments(call.function.arguments),
                    },
                }
                for call in self.tool_calls
            ]
        return told

    def _text(self) -> str:
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        texts = [part.get("text") for part in self.content]
        if not all(isinstance(text, str) for text in texts):
            raise Refused("This engine reads text only.")
        return "\n".join(text for text in texts if isinstance(text, str))


def _arguments(text: str) -> Any:
    """As the object that templates write as JSON again; as the text where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


class ChatBody(Sampling, kw_only=True):
    messages: Annotated[list[Message], Meta(min_length=1)]
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    def offered_tools(self) -> list[dict[str, Any]]:
        return [] if self.tool_choice == "none" else (self.tools or [])


class CompletionBody(Sampling, kw_only=True):
    prompt: str | list[_Id]
    logprobs: int | None = None


class TemplateBody(msgspec.Struct):
    messages: Annotated[list[Message], Meta(min_length=1)]
    tools: list[dict[str, Any]] | None = None
    chat_template_kwargs: dict[str, Any] | None = None


class TokenizeBody(msgspec.Struct):
    content: str


class Frames:
    """Makes the objects of one answer: `chat` says of which of the two calls."""

    def __init__(self, model: str, *, chat: bool) -> None:
        self._chat = chat
        self._head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model,
        }

    def opening(self) -> dict[str, Any] | None:
        """The event before the first token, which text completions do not have."""
        return self.chunk({"role": "assistant", "content": None}) if self._chat else None

    def chunk(
        self,
        delta: Mapping[str, Any],
        *,
        counts: Mapping[str, int] | None = None,
        logprobs: Sequence[Mapping[str, Any]] = (),
        finish_reason: str | None = None,
    ) -> dict[str, Any]:
        """One event of a stream; `counts` are the running ones, llama.cpp's `timings`."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason}
        choice |= {"delta": delta} if self._chat else {"text": delta.get("content", "")}
        if logprobs:
            choice["logprobs"] = {"content": logprobs}
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        event = {**self._head, "object": kind, "choices": [choice]}
        return event if counts is None else event | {"timings": counts}

    def usage(self, counts: Mapping[str, int]) -> dict[str, Any]:
        """The last event of a stream."""
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return {**self._head, "object": kind, "choices": [], **_totals(counts)}

    def usage_so_far(self, counts: Mapping[str, int]) -> dict[str, Any]:
        """An event that only counts: of a token whose text is not shown yet."""
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return {**self._head, "object": kind, "choices": [], "timings": counts}

    def answer(
        self,
        deltas: Sequence[Mapping[str, Any]],
        *,
        counts: Mapping[str, int],
        logprobs: Sequence[Mapping[str, Any]],
        finish_reason: str,
    ) -> dict[str, Any]:
        """The whole answer at once: `deltas` joined."""
        content = "".join(delta.get("content", "") for delta in deltas)
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason}
        if self._chat:
            message: dict[str, Any] = {"role": "assistant", "content": content}
            if thought := "".join(delta.get("reasoning_content", "") for delta in deltas):
                message["reasoning_content"] = thought
            if calls := [call for delta in deltas for call in delta.get("tool_calls", ())]:
                message["tool_calls"] = calls
            choice["message"] = message
        else:
            choice["text"] = content
        if logprobs:
            choice["logprobs"] = {"content": logprobs}
        kind = "chat.completion" if self._chat else "text_completion"
        return {**self._head, "object": kind, "choices": [choice], **_totals(counts)}


def _totals(counts: Mapping[str, int]) -> dict[str, Any]:
    read, written = counts["prompt_n"] + counts["cache_n"], counts["predicted_n"]
    return {
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": counts["cache_n"]},
        },
        "timings": counts,
    }
