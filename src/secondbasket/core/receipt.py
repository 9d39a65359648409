"""The receipt: what happened for one request, and the only source of its numbers."""

from typing import Literal

import msgspec

from secondbasket.core.usage import Usage

Outcome = Literal["completed", "client_closed", "upstream_failed", "revoked"]
Operation = Literal["chat", "text_completion", "embeddings"]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger. Written before the answer is declared finished.

    Times are RFC 3339 in UTC, durations milliseconds, cost nano-units of
    `currency`, `digest` 'sha256:<hex>' of the weights that answered (empty
    where a provider does not say). `request_id` is the idempotency key: the
    ledger holds one row for it, however often it is handed in. `usage_exact`
    is false only where an answer was cut off and its upstream had not said
    what it had counted so far.
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

    @property
    def usage(self) -> Usage:
        return Usage(self.input_tokens, self.output_tokens, self.cached_input_tokens)
