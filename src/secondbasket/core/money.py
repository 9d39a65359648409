"""Money as integers: one nano-unit is a thousand-millionth of a currency unit.

Ten tokens at $0.05 a million are 500 nano-dollars, not nothing: floats and
cents would lose exactly the amounts this product is about.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import msgspec

from secondbasket.core.usage import Usage

NANO = 1_000_000_000
_MILLION = 1_000_000


def nano_from_units(amount: str | float | Decimal) -> int:
    """'1.50' (currency units) → 1_500_000_000 nano-units. Raises ValueError."""
    try:
        return int((Decimal(str(amount)) * NANO).to_integral_value(ROUND_HALF_UP))
    except (InvalidOperation, OverflowError) as exc:
        raise ValueError(f"not an amount of money: {amount!r}") from exc


def format_nano(nano: int, currency: str) -> str:
    """1_500_000_000, 'USD' → '1.50 USD'; small amounts keep the digits that matter."""
    text = f"{Decimal(nano) / NANO:.9f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents.ljust(2, '0')} {currency}"


class Price(msgspec.Struct, frozen=True):
    """What one upstream costs, in nano-units per million tokens, and per call."""

    input_per_million: int
    output_per_million: int
    currency: str = "USD"
    per_call: int = 0

    def cost(self, usage: Usage) -> int:
        """Cost in nano-units, rounded half up once, here and nowhere else."""
        tokens = (
            usage.input_tokens * self.input_per_million
            + usage.output_tokens * self.output_per_million
        )
        return self.per_call + (tokens + _MILLION // 2) // _MILLION
