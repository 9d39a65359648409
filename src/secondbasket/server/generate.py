"""One call of the gateway, sent in one piece or as a stream, in whatever wire's form."""

import asyncio
from typing import Protocol

from secondbasket.core.chat import Choice, Chunk, Fold
from secondbasket.core.usage import Usage
from secondbasket.maas.answer import Answer
from secondbasket.server.asgi import JSON, ClientGone, Header, reply
from secondbasket.server.headers import origin_headers, receipt_headers
from secondbasket.server.presence import Presence
from secondbasket.server.wire_route import Exchange

_STREAM_HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class AnswerEncoder(Protocol):
    """Encodes one answer: as a `whole`, or chunk by chunk and its `end`, ready to be sent."""

    def whole(self, choices: list[Choice], usage: Usage) -> bytes: ...

    def chunk(self, chunk: Chunk) -> bytes: ...

    def end(self, usage: Usage) -> bytes: ...


async def generate(
    answer: Answer,
    encoder: AnswerEncoder,
    *,
    stream: bool,
    exchange: Exchange,
    stall_seconds: float,
) -> None:
    """Run `answer` and send it."""
    with Presence(exchange.receive, answer.abandon) as presence:
        async with answer:
            if stream:
                await _stream(answer, encoder, exchange, stall_seconds)
            else:
                await _send_whole(answer, encoder, exchange)
    if presence.left:
        raise ClientGone


async def _send_whole(answer: Answer, encoder: AnswerEncoder, exchange: Exchange) -> None:
    fold = Fold()
    async for chunk in answer:
        fold.add(chunk)
    receipt = answer.finished
    body = encoder.whole(fold.choices(), receipt.usage)
    await reply(exchange.send, 200, body, [JSON, *receipt_headers(receipt)])


async def _stream(
    answer: Answer, encoder: AnswerEncoder, exchange: Exchange, stall_seconds: float
) -> None:
    account = answer.account

    async def send(body: bytes, *, more: bool = True) -> None:
        try:
            async with asyncio.timeout(stall_seconds):
                await exchange.send({"type": "http.response.body", "body": body, "more_body": more})
        except TimeoutError as exc:
            raise ClientGone from exc  # it took nothing for so long: its slot is needed

    async for chunk in answer:
        if not exchange.begun:
            # Only now: what failed before the first chunk is still an error with its own status.
            await exchange.send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        *_STREAM_HEADERS,
                        *origin_headers(
                            account.request_id, account.facts, account.data_class.label
                        ),
                    ],
                }
            )
        if body := encoder.chunk(chunk):
            await send(body)
    await send(encoder.end(answer.finished.usage), more=False)
