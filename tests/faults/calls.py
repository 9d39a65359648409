"""What a client asks of a gateway, and what became of it, as its SDK would see it."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Literal

import httpx2
import msgspec

from tests.faults.answer import JSON_SCHEMA, JSON_TEXT, TEXT, Flaw, flaw
from tests.faults.openai_wire import vector
from tests.faults.wire import Form, Kind

Ending = Literal["clean", "error status", "error event", "cut off", "malformed", "hung"]
_INPUTS = ("first text", "second text", "third text")
_QUESTION = "Say your numbered words, all of them."


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One answer as it arrived. `flaw` compares its text with the whole answer.

    `usage` is (input, output) as the gateway told the client, None where it told nothing;
    `code` the error's, where there was one.
    """

    ending: Ending
    status: int | None
    text: str
    flaw: Flaw
    finish_reason: str | None
    usage: tuple[int, int] | None
    seconds: float
    code: str = ""
    request_id: str = ""

    @property
    def whole(self) -> bool:
        """The complete answer and a clean end."""
        return self.ending == "clean" and self.flaw == "whole"

    @property
    def failed_openly(self) -> bool:
        """The client knows that this is no answer."""
        return self.ending in ("error status", "error event", "cut off")


def body(
    model: str, kind: Kind, form: Form, *, stream: bool, tag: str | None = None
) -> dict[str, Any]:
    """The JSON that a client sends for such a call; `tag` is put into its text."""
    asked: dict[str, Any] = {"model": model}
    question = f"{_QUESTION} {tag}" if tag else _QUESTION
    if kind == "embeddings":
        return asked | {"input": [f"{text} {tag}" if tag else text for text in _INPUTS]}
    asked["max_tokens"] = 200
    if stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    if kind == "completion":
        return asked | {"prompt": question}
    asked["messages"] = [{"role": "user", "content": question}]
    if form == "tool":
        function = {"name": "say", "description": "Says words.", "parameters": JSON_SCHEMA}
        asked["tools"] = [{"type": "function", "function": function}]
    elif form == "json":
        schema = {"name": "words", "schema": JSON_SCHEMA, "strict": True}
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    return asked


_PATHS: dict[Kind, str] = {
    "chat": "/v1/chat/completions",
    "completion": "/v1/completions",
    "embeddings": "/v1/embeddings",
}


class _Reading:
    """What came so far."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.pieces: list[str] = []
        self.finish_reason: str | None = None
        self.usage: tuple[int, int] | None = None
        self.error: Any = None
        self.request_id = ""

    def take(self, data: Mapping[str, Any]) -> None:
        """An event of a stream, or the body of a plain answer."""
        self.error = self.error or data.get("error")
        for choice in data.get("choices") or ():
            piece = choice.get("delta") or choice.get("message") or choice
            self.pieces.append(piece.get("content") or piece.get("text") or "")
            for call in piece.get("tool_calls") or ():
                self.pieces.append(call["function"].get("arguments") or "")
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        if isinstance(counts := data.get("usage"), dict):
            self.usage = (counts.get("prompt_tokens") or 0, counts.get("completion_tokens") or 0)


async def call(
    client: httpx2.AsyncClient,
    *,
    url: str,
    headers: Mapping[str, str],
    model: str,
    kind: Kind,
    form: Form,
    stream: bool,
    patience: float,
    tag: str | None = None,
) -> Seen:
    """Ask and read to the end, as an SDK does: what it would raise is an ending that is not clean.

    An answer that is not over after `patience` seconds counts as hung.
    """
    reading, started = _Reading(), time.monotonic()
    ending: Ending = "clean"
    asked = body(model, kind, form, stream=stream, tag=tag)
    try:
        async with asyncio.timeout(patience):
            async with client.stream(
                "POST", url + _PATHS[kind], json=asked, headers=dict(headers), timeout=None
            ) as response:
                await _read(response, reading)
    except TimeoutError:
        ending = "hung"
    except httpx2.HTTPError:
        ending = "cut off"
    except json.JSONDecodeError:
        ending = "malformed"
    if ending != "hung" and reading.error is not None:
        ending = "error event"
    if ending != "hung" and reading.status is not None and reading.status >= 400:
        ending = "error status"
    text = "".join(reading.pieces)
    return Seen(
        ending=ending,
        status=reading.status,
        text=text,
        flaw=flaw(text, TEXT if form in ("text", "vectors") else JSON_TEXT),
        finish_reason=reading.finish_reason,
        usage=reading.usage,
        seconds=round(time.monotonic() - started, 3),
        code=_code(reading.error),
        request_id=reading.request_id,
    )


async def _read(response: httpx2.Response, reading: _Reading) -> None:
    reading.status = response.status_code
    reading.request_id = response.headers.get("x-basket-request-id", "")
    if "text/event-stream" not in response.headers.get("content-type", ""):
        whole = json.loads(await response.aread())
        reading.take(whole)
        if "data" in whole:
            # Vectors are as whole as the words are: each input's own, in their order.
            vectors = [each["embedding"] for each in whole["data"]]
            expected = [vector(index) for index in range(len(_INPUTS))]
            reading.pieces.append(TEXT if vectors == expected else "")
        return
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            data = line.removeprefix("data:").strip()
            if data == "[DONE]":
                return
            reading.take(json.loads(data))


def _code(error: Any) -> str:
    if isinstance(error, dict):
        return str(error.get("code") or error.get("type") or "")
    return "" if error is None else str(error)[:80]
