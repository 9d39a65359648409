"""Anthropic's Messages wire as a server speaks it."""

from typing import Any

import msgspec

from tests.faults.answer import begun, json_fragments, repeated
from tests.faults.wire import Asked, Form, Reply, Tell, named_event, said, text_of

_HEAD: dict[str, Any] = {
    "id": "msg_scripted",
    "type": "message",
    "role": "assistant",
    "model": "scripted",
    "stop_sequence": None,
}
_KINDS = {400: "invalid_request_error", 429: "rate_limit_error", 529: "overloaded_error"}


class AnthropicWire:
    def asked(self, path: str, body: Any) -> Asked:
        texts = [text_of(body.get("system"))]
        texts += [text_of(message["content"]) for message in body["messages"]]
        form: Form = "text"
        if body.get("tools"):
            form = "tool"
        elif body.get("output_config") or body.get("output_format"):
            form = "json"
        return Asked(
            kind="chat",
            form=form,
            stream=bool(body.get("stream")),
            include_usage=True,
            begun=begun(" ".join(texts)) if form == "text" else 0,
            again=repeated(texts[-1]) if form == "text" else [],
            read=sum(len(text.split()) for text in texts),
            tool=body["tools"][0]["name"] if form == "tool" else "",
        )

    def reply(self, asked: Asked, tell: Tell, *, running: bool) -> Reply:
        words = said(asked) if asked.form == "text" else json_fragments()
        reason = "tool_use" if asked.form == "tool" else "end_turn"
        counts = _counts(tell(asked.read, len(words)))
        kind = "input_json_delta" if asked.form == "tool" else "text_delta"
        field = "partial_json" if asked.form == "tool" else "text"
        block: dict[str, Any] = {"type": "text", "text": ""}
        if asked.form == "tool":
            block = {"type": "tool_use", "id": "toolu_1", "name": asked.tool, "input": {}}
        return Reply(
            whole=msgspec.json.encode(_whole(asked, "".join(words), reason, counts)),
            opening=[
                _start(tell(asked.read, 1)),
                _block_start(block),
                named_event("ping", {"type": "ping"}),
            ],
            fragments=[_delta({"type": kind, field: word}) for word in words],
            closing=[
                named_event("content_block_stop", {"type": "content_block_stop", "index": 0}),
                _stop(reason, counts),
            ],
            end=[named_event("message_stop", {"type": "message_stop"})],
        )

    def refused(self, asked: Asked) -> Reply:
        counts = _counts((asked.read, 0))
        return Reply(
            whole=msgspec.json.encode(_whole(asked, "", "refusal", counts)),
            opening=[_start((asked.read, 0))],
            closing=[_stop("refusal", counts)],
            end=[named_event("message_stop", {"type": "message_stop"})],
        )

    def error(self, status: int) -> bytes:
        told = {"type": _KINDS.get(status, "api_error"), "message": "scripted failure"}
        return msgspec.json.encode({"type": "error", "error": told})

    def error_event(self) -> bytes:
        return b"event: error\ndata: " + self.error(529) + b"\n\n"


def _counts(told: tuple[int, int] | None) -> dict[str, int] | None:
    return None if told is None else {"input_tokens": told[0], "output_tokens": told[1]}


def _start(told: tuple[int, int] | None) -> bytes:
    message = _HEAD | {"content": [], "stop_reason": None}
    counts = _counts(told)
    if counts is not None:
        message["usage"] = counts
    return named_event("message_start", {"type": "message_start", "message": message})


def _block_start(block: dict[str, Any]) -> bytes:
    data = {"type": "content_block_start", "index": 0, "content_block": block}
    return named_event("content_block_start", data)


def _delta(delta: dict[str, str]) -> bytes:
    data = {"type": "content_block_delta", "index": 0, "delta": delta}
    return named_event("content_block_delta", data)


def _stop(reason: str, counts: dict[str, int] | None) -> bytes:
    data: dict[str, Any] = {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
    }
    if counts is not None:
        data["usage"] = {"output_tokens": counts["output_tokens"]}
    return named_event("message_delta", data)


def _whole(asked: Asked, text: str, reason: str, counts: dict[str, int] | None) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    if asked.form == "tool" and text:
        given = msgspec.json.decode(text)
        content = [{"type": "tool_use", "id": "toolu_1", "name": asked.tool, "input": given}]
    answer = _HEAD | {"content": content, "stop_reason": reason}
    if counts is not None:
        answer["usage"] = counts
    return answer
