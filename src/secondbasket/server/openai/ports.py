"""What the OpenAI door is handed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from secondbasket.core.key import Key
from secondbasket.core.receipt import Receipt
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.gateway import Gateway


@dataclass(frozen=True, kw_only=True)
class OpenAIPorts:
    """`verify` raises AuthenticationFailed; `refused` is told the code of every error sent."""

    verify: Callable[[str], Key]
    gateway: Gateway
    baskets: Baskets
    receipt: Callable[[str], Awaitable[Receipt | None]]
    refused: Callable[[str], None]
    max_body_bytes: int
    stall_seconds: float
