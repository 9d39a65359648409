"""How the upstreams of a basket stand in for one another."""

from collections.abc import Mapping
from typing import Literal

import msgspec

Routing = Literal["priority", "weighted", "least_in_flight", "fastest", "cheapest"]
Continuation = Literal["none", "prefill", "replay"]


class BasketRules(msgspec.Struct, frozen=True, kw_only=True):
    """`weights` by upstream, for routing by weight; times in seconds, `attempts` a request.

    A parity measurement below `parity_floor`, or older than
    `parity_max_age_days`, does not count; without a floor none is asked for.
    """

    routing: Routing = "priority"
    weights: Mapping[str, int] = {}
    first_token_seconds: float = 60.0
    idle_seconds: float = 30.0
    attempts: int = 4
    continuation: Continuation = "prefill"
    parity_floor: float | None = None
    parity_max_age_days: int = 30
