"""Chat and text completions: one call of the gateway, sent in one piece or as a stream."""

import asyncio
from typing import Protocol

from secondbasket.core.chat import (
    ChatRequest,
    Choice,
    Chunk,
    CompletionRequest,
    Fold,
)
from secondbasket.core.key import Key
from secondbasket.core.usage import Usage
from secondbasket.maas.answer import Answer
from secondbasket.server.asgi import JSON, ClientGone, Header, read_body, reply
from secondbasket.server.data_class import asked_class
from secondbasket.server.openai.door import Exchange, OpenAIRoute
from secondbasket.server.openai.headers import origin_headers, receipt_headers
from secondbasket.server.presence import Presence
from secondbasket.wires.openai.chat_answer import ChatStreamEncoder, encode_chat_answer
from secondbasket.wires.openai.chat_request import decode_chat_request
from secondbasket.wires.openai.completions import (
    CompletionStreamEncoder,
    decode_completion_request,
    encode_completion_answer,
)
from secondbasket.wires.sse import DONE, encode_event

_STREAM_HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class _Encoder(Protocol):
    def chunk(self, chunk: Chunk) -> list[bytes]: ...

    def end(self, usage: Usage) -> list[bytes]: ...


class _EncodeAnswer(Protocol):
    def __call__(
        self, *, identity: str, created: int, model: str, choices: list[Choice], usage: Usage
    ) -> bytes: ...


class _EncoderFactory(Protocol):
    def __call__(
        self, *, identity: str, created: int, model: str, include_usage: bool
    ) -> _Encoder: ...


async def generate(
    answer: Answer,
    request: ChatRequest | CompletionRequest,
    *,
    encode_answer: _EncodeAnswer,
    encoder: _EncoderFactory,
    exchange: Exchange,
    stall_seconds: float,
) -> None:
    """Run `answer` and send it as `request` asked."""
    with Presence(exchange.receive, answer.abandon) as presence:
        async with answer:
            if request.stream:
                await _stream(answer, request, encoder, exchange, stall_seconds)
            else:
                await _send_whole(answer, request, encode_answer, exchange)
    if presence.left:
        raise ClientGone


async def _send_whole(
    answer: Answer,
    request: ChatRequest | CompletionRequest,
    encode_answer: _EncodeAnswer,
    exchange: Exchange,
) -> None:
    fold = Fold()
    async for chunk in answer:
        fold.add(chunk)
    account, receipt = answer.account, answer.finished
    body = encode_answer(
        identity=account.request_id,
        created=int(account.created),
        model=request.model,
        choices=fold.choices(),
        usage=receipt.usage,
    )
    headers = [JSON, *receipt_headers(receipt)]
    await reply(exchange.send, 200, body, headers)


async def _stream(
    answer: Answer,
    request: ChatRequest | CompletionRequest,
    encoder: _EncoderFactory,
    exchange: Exchange,
    stall_seconds: float,
) -> None:
    account = answer.account
    encode = encoder(
        identity=account.request_id,
        created=int(account.created),
        model=request.model,
        include_usage=request.include_usage,
    )

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
        if events := encode.chunk(chunk):
            await send(b"".join(map(encode_event, events)))
    last = [*map(encode_event, encode.end(answer.finished.usage)), DONE]
    await send(b"".join(last), more=False)


class ChatCompletions(OpenAIRoute):
    """POST /v1/chat/completions"""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        ports = self.ports
        floor = asked_class(exchange.scope)
        body = await read_body(exchange.scope, exchange.receive, limit=ports.max_body_bytes)
        request = decode_chat_request(body)
        await generate(
            await ports.gateway.chat(key, request, floor=floor),
            request,
            encode_answer=encode_chat_answer,
            encoder=ChatStreamEncoder,
            exchange=exchange,
            stall_seconds=ports.stall_seconds,
        )


class Completions(OpenAIRoute):
    """POST /v1/completions"""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        ports = self.ports
        floor = asked_class(exchange.scope)
        body = await read_body(exchange.scope, exchange.receive, limit=ports.max_body_bytes)
        request = decode_completion_request(body)
        await generate(
            await ports.gateway.complete(key, request, floor=floor),
            request,
            encode_answer=encode_completion_answer,
            encoder=CompletionStreamEncoder,
            exchange=exchange,
            stall_seconds=ports.stall_seconds,
        )
