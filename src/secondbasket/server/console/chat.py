"""The chat page, and the call that streams an answer to it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from secondbasket.core.chat import ChatRequest, Chunk, Message
from secondbasket.core.data_class import DataClass
from secondbasket.core.receipt import Receipt
from secondbasket.core.story import story
from secondbasket.errors import BasketError, InvalidRequest
from secondbasket.maas.answer import Answer
from secondbasket.server.console import words
from secondbasket.server.console.desk import NDJSON, Desk, told
from secondbasket.server.presence import Presence

_CLASSES = tuple(each.label for each in DataClass if each is not DataClass.PUBLIC)


class _Turn(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant"]
    content: str


class _Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page sends: the basket to ask, the whole conversation so far, and the least class
    that it is to count as."""

    model: str
    messages: tuple[_Turn, ...]
    data_class: str = DataClass.PUBLIC.label


class AnswerStream(Response):
    """An answer as lines of JSON: its id, text and reasoning as they come, who goes on with
    it where another one has to, then an error where it broke off, and the receipt.

    The answer is cancelled when its reader goes away or takes nothing for `stall_seconds`.
    """

    def __init__(self, answer: Answer, *, base: str, stall_seconds: float) -> None:
        super().__init__(media_type=NDJSON)
        del self.headers["content-length"]
        self._answer = answer
        self._base = base
        self._stall_seconds = stall_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # On a timeout the reader stalled: the answer is closed and there is nobody to tell.
        with Presence(receive, self._answer.abandon), suppress(TimeoutError):
            await self._relay(send)

    async def _relay(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with self._answer as answer:
                await self._write(send, {"id": answer.account.request_id})
                hops = 1
                async for chunk in answer:
                    if len(answer.account.attempts) > hops:
                        hops = len(answer.account.attempts)
                        await self._write(send, {"hop": answer.account.facts.name})
                    for piece in _pieces(chunk):
                        await self._write(send, piece)
        except BasketError as error:
            await self._write(send, {"error": told(error)})
        if self._answer.receipt:
            await self._write(send, {"receipt": self._receipt(self._answer.receipt)})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send, line: dict[str, Any]) -> None:
        with anyio.fail_after(self._stall_seconds):
            body = msgspec.json.encode(line) + b"\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})

    def _receipt(self, receipt: Receipt) -> dict[str, Any]:
        return {
            "summary": words.receipt_summary(receipt),
            "story": story(receipt),
            "rows": words.receipt_rows(receipt),
            "url": f"{self._base}/receipts/{receipt.request_id}",
        }


def _pieces(chunk: Chunk) -> Iterator[dict[str, str]]:
    """The page asks for one choice, so all deltas are of the same answer."""
    for delta in chunk.choices:
        if delta.reasoning:
            yield {"reasoning": delta.reasoning}
        if delta.text or delta.refusal:
            yield {"text": delta.text or delta.refusal or ""}
        if delta.finish_reason:
            yield {"finish": delta.finish_reason}


def chat_routes(desk: Desk) -> list[BaseRoute]:
    ports = desk.ports

    async def chat(request: Request) -> Response:
        session = await desk.signed_in(request)
        if request.method == "POST":
            asked, floor = _decode(await request.body())
            return AnswerStream(
                await ports.gateway.chat(session.key, asked, floor=floor),
                base=request.scope["root_path"],
                stall_seconds=ports.stall_seconds,
            )
        baskets = [
            (basket.name, basket.ready()) for basket in ports.baskets if basket.task == "chat"
        ]
        return desk.page(request, "chat.html", session=session, baskets=baskets, classes=_CLASSES)

    return [Route("/chat", chat, methods=["GET", "POST"])]


def _decode(body: bytes) -> tuple[ChatRequest, DataClass]:
    """The request, and the least class that it is to count as."""
    try:
        ask = msgspec.json.decode(body, type=_Ask)
        floor = DataClass.parse(ask.data_class)
    except (msgspec.DecodeError, ValueError) as exc:
        raise InvalidRequest(
            f"The chat page sent something unreadable: {exc}.", hint="Reload the page."
        ) from exc
    if not ask.messages or ask.messages[-1].role != "user":
        raise InvalidRequest("There is no question to answer.", hint="Write a message first.")
    request = ChatRequest(
        model=ask.model,
        messages=tuple(Message(role=turn.role, content=turn.content) for turn in ask.messages),
        stream=True,
    )
    return request, floor
