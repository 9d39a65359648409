"""GET /v1/models and GET /v1/models/{model}"""

import msgspec

from secondbasket.core.key import Key
from secondbasket.maas.baskets import Basket
from secondbasket.server.asgi import reply
from secondbasket.server.openai.door import Exchange, OpenAIRoute
from secondbasket.wires.openai.models import encode_model, encode_model_list


class Models(OpenAIRoute):
    """Every basket, as a model."""

    method = "GET"

    async def answer(self, key: Key, exchange: Exchange) -> None:
        models = [_encode(basket) for basket in self.ports.baskets]
        await reply(exchange.send, 200, encode_model_list(models))


class Model(OpenAIRoute):
    """One of them."""

    method = "GET"

    async def answer(self, key: Key, exchange: Exchange) -> None:
        basket = self.ports.baskets.find(exchange.scope["path_params"]["model"])
        await reply(exchange.send, 200, msgspec.json.encode(_encode(basket)))


def _encode(basket: Basket) -> dict[str, object]:
    owner = basket.upstreams[0].facts.provider if basket.upstreams else "nobody"
    return encode_model(name=basket.name, created=basket.created, owned_by=owner)
