"""An amount is a plain number of units within bounds, and becomes whole nano-units."""

from decimal import Decimal

import pytest

from secondbasket.core.money import nano_from_units


@pytest.mark.parametrize(
    ("amount", "nano"),
    [
        ("1.50", 1_500_000_000),
        ("0", 0),
        ("0.000000001", 1),
        ("999999999999.999999999", 10**21 - 1),
        (Decimal("0.05"), 50_000_000),
        (Decimal("1E+3"), 1_000_000_000_000),
        (Decimal("1E-9"), 1),
        (Decimal("1.000000000000"), 1_000_000_000),
    ],
)
def test_an_amount_is_exact(amount: str | Decimal, nano: int) -> None:
    assert nano_from_units(amount) == nano


@pytest.mark.parametrize(
    "amount",
    [
        *("", "much", "1e3", "1e400000", "1e999999", "-1", "1_000", "nan", "inf", "٣", "1\n"),
        *("1000000000000", "0.0000000001"),
        *map(Decimal, ("1e400000", "1e999999", "1e999999999999", "1e-10", "-1", "NaN", "Infinity")),
        Decimal(10**12),
    ],
)
def test_anything_else_is_a_value_error(amount: str | Decimal) -> None:
    with pytest.raises(ValueError, match="amount"):
        nano_from_units(amount)
