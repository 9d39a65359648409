"""Money as integers: one nano-unit is a thousand-millionth of a currency unit.

Ten tokens at $0.05 a million are 500 nano-dollars, not nothing: floats and
cents would lose exactly the amounts this product is about.
"""

import re
from decimal import Decimal

import msgspec

from secondbasket.core.usage import Usage

NANO = 1_000_000_000
_MILLION = 1_000_000
_PLAIN = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_BEYOND = 10**12


def nano_from_units(amount: str | Decimal) -> int:
    """'1.50' (currency units) → 1_500_000_000 nano-units.

    At most 12 digits before the point and 9 after it, in text without sign or
    exponent: '1e400000' would take seconds. Raises ValueError.
    """
    if isinstance(amount, Decimal) or _PLAIN.fullmatch(amount):
        units = Decimal(amount)
        if units.is_finite() and 0 <= units < _BEYOND:
            nano = units * NANO
            if nano == int(nano):
                return int(nano)
    raise ValueError(f"not an amount of money: {amount!r:.50}")


def format_nano(nano: int, currency: str) -> str:
    """1_500_000_000, 'USD' → '1.50 USD'; small amounts keep the digits that matter."""
    text = f"{Decimal(nano) / NANO:.9f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents.ljust(2, '0')} {currency}"


class Price(msgspec.Struct, frozen=True):
    """What one upstream costs, in nano-units per million tokens."""

    input_per_million: int
    output_per_million: int
    currency: str = "USD"

    def cost(self, usage: Usage) -> int:
        """Cost in nano-units, rounded half up once, here and nowhere else."""
        tokens = (
            usage.input_tokens * self.input_per_million
            + usage.output_tokens * self.output_per_million
        )
        return (tokens + _MILLION // 2) // _MILLION
