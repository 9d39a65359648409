"""What the Messages door is handed."""

from collections.abc import Callable
from dataclasses import dataclass

from secondbasket.core.key import Key
from secondbasket.maas.gateway import Gateway


@dataclass(frozen=True, kw_only=True)
class AnthropicPorts:
    """`verify` raises AuthenticationFailed; `refused` is told the code of every error sent."""

    verify: Callable[[str], Key]
    gateway: Gateway
    refused: Callable[[str], None]
    max_body_bytes: int
    stall_seconds: float
