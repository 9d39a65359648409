"""What was used: of one call in OpenTelemetry's words (``gen_ai.usage.*``), and summed."""

from typing import Literal

import msgspec

UsageGroup = Literal["hour", "day", "key", "basket", "upstream"]


class Usage(msgspec.Struct, frozen=True):
    """Tokens read and written by one call.

    `cached_input_tokens` is the part of `input_tokens` that the engine took
    from its prefix cache; it is never added on top.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was used, summed. A field one did not group by is None.

    `hour` and `day` are the start of that hour or day in UTC, RFC 3339
    ('2026-11-22T14:00:00.000Z', '2026-11-22'); `cost` is in nano-units of
    `currency`, which rows are always kept apart by.
    """

    hour: str | None = None
    day: str | None = None
    key_id: str | None = None
    basket: str | None = None
    upstream: str | None = None
    currency: str
    calls: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cost: int
