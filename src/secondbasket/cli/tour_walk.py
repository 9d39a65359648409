"""What the stops of `basket tour` share: what they hand on, and how one fails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from secondbasket.cli.chat import Chat, first_chat_basket
from secondbasket.cli.connection import Connection
from secondbasket.core.model import ModelRecord
from secondbasket.core.receipt import Receipt
from secondbasket.errors import BasketError

T = TypeVar("T")


class StopFailed(BasketError):
    """What was done at this stop did not come out as it has to."""

    code = "tour_stop_failed"


@dataclass
class Walk:
    """What the stops hand on: each reads what those before it found."""

    server: Connection
    model: ModelRecord | None = None
    receipt: Receipt | None = None

    async def chat(self) -> Chat:
        return Chat(
            self.server, await first_chat_basket(self.server), max_tokens=256, temperature=0
        )


class Stop(msgspec.Struct, frozen=True):
    """`visit` does it and returns what there is to see, line by line. Raises BasketError."""

    title: str
    visit: Callable[[Walk], Awaitable[list[str]]]


def require(fact: object, otherwise: str) -> None:
    """Raises StopFailed saying `otherwise` where `fact` is not so."""
    if not fact:
        raise StopFailed(f"This stop failed: {otherwise}.", hint="`basket doctor` looks closer.")


def found(value: T | None) -> T:
    if value is None:
        raise StopFailed("This stop builds on one before it that failed.")
    return value
