"""Messages: a chat on Anthropic's wire."""

from secondbasket.core.chat import Choice, Chunk
from secondbasket.core.key import Key
from secondbasket.core.usage import Usage
from secondbasket.server.anthropic.door import AnthropicRoute
from secondbasket.server.asgi import read_body
from secondbasket.server.data_class import asked_class
from secondbasket.server.generate import generate
from secondbasket.server.wire_route import Exchange
from secondbasket.wires.anthropic.door_answer import MessagesStreamEncoder, encode_message
from secondbasket.wires.anthropic.door_request import decode_messages_request


class _Encoder:
    """An answer as a message, which has one alternative only."""

    def __init__(self, *, identity: str, model: str) -> None:
        self._identity = identity
        self._model = model
        self._stream = MessagesStreamEncoder(identity=identity, model=model)

    def whole(self, choices: list[Choice], usage: Usage) -> bytes:
        choice = choices[0] if choices else Choice(index=0)
        return encode_message(
            identity=self._identity, model=self._model, choice=choice, usage=usage
        )

    def chunk(self, chunk: Chunk) -> bytes:
        return self._stream.chunk(chunk)

    def end(self, usage: Usage) -> bytes:
        return self._stream.end(usage)


class Messages(AnthropicRoute):
    """POST /v1/messages"""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        ports = self.ports
        floor = asked_class(exchange.scope)
        body = await read_body(exchange.scope, exchange.receive, limit=ports.max_body_bytes)
        request = decode_messages_request(body)
        answer = await ports.gateway.chat(key, request, floor=floor)
        await generate(
            answer,
            _Encoder(identity=answer.account.request_id, model=request.model),
            stream=request.stream,
            exchange=exchange,
            stall_seconds=ports.stall_seconds,
        )
