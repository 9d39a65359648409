"""GET /v1/receipts/{request_id}: the whole receipt, for its key and for administrators."""

import msgspec

from secondbasket.core.key import Key
from secondbasket.errors import NotFound
from secondbasket.server.asgi import reply
from secondbasket.server.openai.door import Exchange, OpenAIRoute


class Receipts(OpenAIRoute):
    """Another key's receipt is as unknown as one that never was."""

    method = "GET"

    async def answer(self, key: Key, exchange: Exchange) -> None:
        request_id = exchange.scope["path_params"]["request_id"]
        receipt = await self.ports.receipt(request_id)
        if receipt is None or (receipt.key_id != key.id and key.role != "admin"):
            raise NotFound(
                f"There is no receipt '{request_id[:64]}' for this key.",
                hint="The id of an answer, or its x-basket-request-id header, names its receipt.",
            )
        await reply(exchange.send, 200, msgspec.json.encode(receipt))
