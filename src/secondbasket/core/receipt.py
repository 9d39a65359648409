"""The receipt: what happened for one request, and the only source of its numbers."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from secondbasket.core.usage import Usage

Outcome = Literal["completed", "client_closed", "upstream_failed", "revoked"]
Operation = Literal["chat", "text_completion", "embeddings"]


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream that was asked for one request: why, how it ended, what it used and cost.

    `decision` tells in words why it was asked, `started_ms` when, counted from
    the request's arrival. `goes_on`: it was asked for the rest of an answer of
    which the caller had the beginning. The other fields mean what they mean in
    a Receipt.
    """

    upstream: str
    decision: str
    provider: str
    law: str
    model: str
    digest: str = ""
    engine: str = ""
    chip: str = ""
    outcome: Outcome
    error: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    usage_exact: bool = True
    cost: int = 0
    started_ms: float = 0.0
    duration_ms: float = 0.0
    first_token_ms: float | None = None
    bytes_sent: int = 0
    bytes_received: int = 0
    goes_on: bool = False

    @property
    def usage(self) -> Usage:
        return Usage(self.input_tokens, self.output_tokens, self.cached_input_tokens)


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger. Written before the answer is declared finished.

    Times are RFC 3339 in UTC, durations milliseconds, cost nano-units of
    `currency`, `digest` 'sha256:<hex>' of the weights that answered (empty
    where a provider does not say). `request_id` is the idempotency key: the
    ledger holds one row for it, however often it is handed in. `usage_exact`
    is false only where an answer was cut off and its upstream had not said
    what it had counted so far.

    Where more than one upstream had a part, `hops` holds each of them in order:
    tokens, cost and bytes of the receipt are their sums, and who answered is
    the last. It is empty where the first one asked answered alone, and was a
    proven one. `data_class` is the class the request had, `passed_over` says of
    upstreams of the basket that came before the answering one, or were
    forbidden, why they were not asked.
    """

    request_id: str
    created_at: str
    operation: Operation
    key_id: str
    key_name: str
    basket: str
    upstream: str
    model: str
    digest: str
    engine: str
    chip: str
    provider: str
    law: str
    outcome: Outcome
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cost: int
    currency: str
    duration_ms: float
    first_token_ms: float | None = None
    bytes_sent: int = 0
    bytes_received: int = 0
    streamed: bool = False
    usage_exact: bool = True
    error: str | None = None
    data_class: str = "internal"
    hops: tuple[Hop, ...] = ()
    passed_over: Mapping[str, str] = {}

    @property
    def usage(self) -> Usage:
        return Usage(self.input_tokens, self.output_tokens, self.cached_input_tokens)
