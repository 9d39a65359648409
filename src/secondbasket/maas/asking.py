"""One question through the gateway, and all that is known of its answer."""

import msgspec

from secondbasket.core.chat import ChatRequest, Choice, Fold
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.receipt import Receipt
from secondbasket.errors import UpstreamBroken
from secondbasket.maas.gateway import Gateway


class Asked(msgspec.Struct, frozen=True):
    choice: Choice
    receipt: Receipt


async def ask(gateway: Gateway, key: Key, request: ChatRequest, *, floor: DataClass) -> Asked:
    """The whole answer. Raises what the gateway and its answer raise."""
    fold = Fold()
    async with await gateway.chat(key, request, floor=floor) as answer:
        async for chunk in answer:
            fold.add(chunk)
    choices = fold.choices()
    if not choices:
        raise UpstreamBroken("The answer has no choice.")
    return Asked(choices[0], answer.finished)
