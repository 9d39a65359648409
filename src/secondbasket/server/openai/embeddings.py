"""POST /v1/embeddings"""

from secondbasket.core.key import Key
from secondbasket.server.asgi import JSON, read_body, reply
from secondbasket.server.data_class import asked_class
from secondbasket.server.headers import receipt_headers
from secondbasket.server.openai.door import Exchange, OpenAIRoute
from secondbasket.wires.openai.embeddings import decode_embedding_request, encode_embedding_answer


class Embeddings(OpenAIRoute):
    """One vector for each input."""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        ports = self.ports
        floor = asked_class(exchange.scope)
        body = await read_body(exchange.scope, exchange.receive, limit=ports.max_body_bytes)
        request, encoding_format = decode_embedding_request(body)
        answer, receipt = await ports.gateway.embed(key, request, floor=floor)
        encoded = encode_embedding_answer(
            answer, model=request.model, encoding_format=encoding_format
        )
        await reply(exchange.send, 200, encoded, [JSON, *receipt_headers(receipt)])
