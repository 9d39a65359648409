"""Vectors of texts, through the gateway like any other call: governed, metered, failed over."""

import math
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from secondbasket.core.chat import EmbeddingRequest
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.errors import ContextLengthExceeded
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.gateway import Gateway

Vector = Sequence[float]


class Embed(Protocol):
    """Makes vectors of texts. `basket` names the model; empty where there is none."""

    basket: str

    async def __call__(self, texts: Sequence[str], data_class: DataClass) -> Sequence[Vector]:
        """One vector a text, in order; the texts are of `data_class`. Raises what a call of a
        model raises."""
        ...


class GatewayEmbed:
    """By the basket named `basket`. `settled` returns once no engine is on its way up."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        baskets: Baskets,
        basket: str,
        key: Key,
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self.basket = basket
        self._gateway = gateway
        self._baskets = baskets
        self._key = key
        self._settled = settled

    async def __call__(self, texts: Sequence[str], data_class: DataClass) -> Sequence[Vector]:
        if not self._baskets.find(self.basket, "embedding").ready():
            await self._settled()
        return await self._vectors(tuple(texts), data_class)

    async def _vectors(self, texts: tuple[str, ...], data_class: DataClass) -> Sequence[Vector]:
        try:
            answer, _ = await self._gateway.embed(
                self._key, EmbeddingRequest(model=self.basket, inputs=texts), floor=data_class
            )
        except ContextLengthExceeded:
            # One of them; the others are not to pay for it with a call of their own.
            if len(texts) > 1:
                middle = len(texts) // 2
                first = await self._vectors(texts[:middle], data_class)
                return [*first, *await self._vectors(texts[middle:], data_class)]
            [text] = texts
            if len(text) < 2:
                raise
            middle = len(text) // 2
            halves = await self._vectors((text[:middle], text[middle:]), data_class)
            return [[(one + other) / 2 for one, other in zip(*halves, strict=True)]]
        return answer.vectors


def packed(vector: Vector) -> bytes:
    """`vector` at unit length, as float32 bytes, the lowest first."""
    length = math.hypot(*vector) or 1.0
    return struct.pack(f"<{len(vector)}f", *(each / length for each in vector))
