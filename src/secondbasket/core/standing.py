"""How an upstream stands at one moment: what it is, and whether it can answer."""

from typing import Literal

import msgspec

State = Literal["ready", "not ready", "missing", "breaker open", "half open", "limited", "outlier"]
"""'missing': the settings name it, and it is not up. 'limited': it asked us to wait. An
'outlier' fails far more often than the others of its basket, and is asked last."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream of a basket. What is not known is empty.

    `reason` says why it is not 'ready', `unproven` why it does not count as
    equal to the others. `first_token_ms` is smoothed; `failure_share` counts
    its last outcomes; `last_error` is the code of its last failure. `parity`
    is its last score (0 to 1) in the basket's evaluation, `parity_at` when
    that was, RFC 3339. The rest are its facts.
    """

    name: str
    state: State
    reason: str = ""
    unproven: str = ""
    in_flight: int = 0
    first_token_ms: float | None = None
    failure_share: float = 0.0
    last_error: str = ""
    parity: float | None = None
    parity_at: str = ""
    provider: str = ""
    vendor: str = ""
    operator: str = ""
    law: str = ""
    location: str = ""
    model: str = ""
    weights_origin: str = ""
    licence: str = ""
    engine: str = ""
    engine_family: str = ""
    host: str = ""
    digest: str = ""
