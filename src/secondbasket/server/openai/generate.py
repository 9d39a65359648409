"""Chat and text completions."""

from typing import Protocol

from secondbasket.core.chat import ChatRequest, Choice, Chunk, CompletionRequest
from secondbasket.core.key import Key
from secondbasket.core.usage import Usage
from secondbasket.maas.answer import Answer
from secondbasket.server.asgi import read_body
from secondbasket.server.data_class import asked_class
from secondbasket.server.generate import generate
from secondbasket.server.openai.door import Exchange, OpenAIRoute
from secondbasket.wires.openai.chat_answer import ChatStreamEncoder, encode_chat_answer
from secondbasket.wires.openai.chat_request import decode_chat_request
from secondbasket.wires.openai.completions import (
    CompletionStreamEncoder,
    decode_completion_request,
    encode_completion_answer,
)
from secondbasket.wires.sse import DONE, encode_event


class _EncodeAnswer(Protocol):
    def __call__(
        self, *, identity: str, created: int, model: str, choices: list[Choice], usage: Usage
    ) -> bytes: ...


class _Stream(Protocol):
    def chunk(self, chunk: Chunk) -> list[bytes]: ...

    def end(self, usage: Usage) -> list[bytes]: ...


class _StreamFactory(Protocol):
    def __call__(
        self, *, identity: str, created: int, model: str, include_usage: bool
    ) -> _Stream: ...


class _Encoder:
    """The answer to `request` in this wire's form."""

    def __init__(
        self,
        answer: Answer,
        request: ChatRequest | CompletionRequest,
        encode_answer: _EncodeAnswer,
        stream: _StreamFactory,
    ) -> None:
        account = answer.account
        self._identity, self._created = account.request_id, int(account.created)
        self._model = request.model
        self._encode_answer = encode_answer
        self._stream = stream(
            identity=self._identity,
            created=self._created,
            model=request.model,
            include_usage=request.include_usage,
        )

    def whole(self, choices: list[Choice], usage: Usage) -> bytes:
        return self._encode_answer(
            identity=self._identity,
            created=self._created,
            model=self._model,
            choices=choices,
            usage=usage,
        )

    def chunk(self, chunk: Chunk) -> bytes:
        return b"".join(map(encode_event, self._stream.chunk(chunk)))

    def end(self, usage: Usage) -> bytes:
        return b"".join([*map(encode_event, self._stream.end(usage)), DONE])


class ChatCompletions(OpenAIRoute):
    """POST /v1/chat/completions"""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        ports = self.ports
        floor = asked_class(exchange.scope)
        body = await read_body(exchange.scope, exchange.receive, limit=ports.max_body_bytes)
        request = decode_chat_request(body)
        answer = await ports.gateway.chat(key, request, floor=floor)
        await generate(
            answer,
            _Encoder(answer, request, encode_chat_answer, ChatStreamEncoder),
            stream=request.stream,
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
        answer = await ports.gateway.complete(key, request, floor=floor)
        await generate(
            answer,
            _Encoder(answer, request, encode_completion_answer, CompletionStreamEncoder),
            stream=request.stream,
            exchange=exchange,
            stall_seconds=ports.stall_seconds,
        )
