"""The OpenAI-compatible wire as a server speaks it: chat, completions, embeddings."""

from typing import Any

import msgspec

from tests.faults.answer import begun, json_fragments, repeated
from tests.faults.wire import Asked, Form, Kind, Reply, Tell, event, said, text_of

_HEAD = {"id": "chatcmpl-scripted", "created": 1_700_000_000, "model": "scripted"}
_TOOL = {"index": 0, "id": "call_1", "type": "function"}
DIMENSIONS = 4


def vector(index: int) -> list[float]:
    """The embedding of input `index`: exact in float32, so that no road changes it."""
    return [index + step / 4 for step in range(DIMENSIONS)]


class OpenAIWire:
    def asked(self, path: str, body: Any) -> Asked:
        kind: Kind = "chat"
        form: Form = "text"
        inputs: list[Any] = []
        if path.endswith("/embeddings"):
            given = body["input"]
            inputs = given if isinstance(given, list) else [given]
            kind, form, texts = "embeddings", "vectors", [str(each) for each in inputs]
        elif path.endswith("/chat/completions"):
            texts = [text_of(message.get("content")) for message in body["messages"]]
            if body.get("tools"):
                form = "tool"
            elif body.get("response_format", {}).get("type") == "json_schema":
                form = "json"
        else:
            given = body["prompt"]
            kind, texts = "completion", given if isinstance(given, list) else [given]
        return Asked(
            kind=kind,
            form=form,
            stream=bool(body.get("stream")),
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            begun=begun(" ".join(texts)) if form == "text" else 0,
            again=repeated(texts[-1]) if form == "text" else [],
            read=sum(len(text.split()) for text in texts),
            inputs=len(inputs),
        )

    def reply(self, asked: Asked, tell: Tell, *, running: bool) -> Reply:
        if asked.form == "vectors":
            return Reply(whole=msgspec.json.encode(_vectors(asked, tell)))
        words = said(asked) if asked.form == "text" else json_fragments()
        reason = "tool_calls" if asked.form == "tool" else "stop"
        counts = _counts(tell(asked.read, len(words)))
        pieces = [_delta(asked, word, number) for number, word in enumerate(words)]
        told = [
            _frame(asked, piece, None, _counts(tell(asked.read, number)) if running else None)
            for number, piece in enumerate(pieces, start=1)
        ]
        opening = [_frame(asked, {"delta": {"role": "assistant", "content": ""}})]
        closing = [_frame(asked, {"text": ""} if asked.kind == "completion" else {}, reason)]
        if asked.include_usage and counts is not None:
            closing.append(event(_HEAD | {"choices": [], "usage": counts}))
        return Reply(
            whole=msgspec.json.encode(_whole(asked, "".join(words), reason, counts)),
            opening=[] if asked.kind == "completion" else opening,
            fragments=told,
            closing=closing,
            end=[event("[DONE]")],
        )

    def refused(self, asked: Asked) -> Reply:
        counts = _counts((asked.read, 0))
        closing = [_frame(asked, {}, "content_filter")]
        if asked.include_usage:
            closing.append(event(_HEAD | {"choices": [], "usage": counts}))
        return Reply(
            whole=msgspec.json.encode(_whole(asked, "", "content_filter", counts)),
            closing=closing,
            end=[event("[DONE]")],
        )

    def error(self, status: int) -> bytes:
        told = {"message": "scripted failure", "type": "scripted", "code": None, "param": None}
        return msgspec.json.encode({"error": told})

    def error_event(self) -> bytes:
        return b"data: " + self.error(500) + b"\n\n"


def _counts(told: tuple[int, int] | None) -> dict[str, int] | None:
    if told is None:
        return None
    read, written = told
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


def _vectors(asked: Asked, tell: Tell) -> dict[str, Any]:
    data = [
        {"object": "embedding", "index": index, "embedding": vector(index)}
        for index in range(asked.inputs)
    ]
    counts = _counts(tell(asked.read, 0))
    answer: dict[str, Any] = {"object": "list", "model": "scripted", "data": data}
    if counts is not None:
        answer["usage"] = {name: counts[name] for name in ("prompt_tokens", "total_tokens")}
    return answer


def _delta(asked: Asked, word: str, number: int) -> dict[str, Any]:
    """The `delta` (or `text`) that carries one fragment; a tool's name comes with its first."""
    if asked.kind == "completion":
        return {"text": word}
    if asked.form != "tool":
        return {"delta": {"content": word}}
    call: dict[str, Any] = {"index": 0, "function": {"arguments": word}}
    if number == 0:
        call = _TOOL | {"function": {"name": "say", "arguments": word}}
    return {"delta": {"tool_calls": [call]}}


def _frame(
    asked: Asked,
    piece: dict[str, Any],
    reason: str | None = None,
    counts: dict[str, int] | None = None,
) -> bytes:
    kind = "text_completion" if asked.kind == "completion" else "chat.completion.chunk"
    base = {"index": 0, "finish_reason": reason}
    choice = base | (piece or {"delta": {}})
    frame: dict[str, Any] = _HEAD | {"object": kind, "choices": [choice]}
    if counts is not None:
        frame["usage"] = counts
    return event(frame)


def _whole(asked: Asked, text: str, reason: str, counts: dict[str, int] | None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": reason, "logprobs": None}
    if asked.kind == "completion":
        choice["text"] = text
    elif asked.form == "tool" and text:
        call = _TOOL | {"function": {"name": "say", "arguments": text}}
        choice["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
    else:
        choice["message"] = {"role": "assistant", "content": text}
    kind = "text_completion" if asked.kind == "completion" else "chat.completion"
    answer: dict[str, Any] = _HEAD | {"object": kind, "choices": [choice]}
    if counts is not None:
        answer["usage"] = counts
    return answer
