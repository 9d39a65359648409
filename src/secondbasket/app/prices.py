"""The prices of the settings."""

from decimal import Decimal

from secondbasket.core.model import ModelTask
from secondbasket.core.money import Price, nano_from_units
from secondbasket.settings import (
    Settings,
)


def local_prices(settings: Settings) -> dict[ModelTask, Price]:
    prices = settings.prices
    return {
        "chat": price_of(
            prices.local_input_per_million, prices.local_output_per_million, prices.currency
        ),
        "embedding": price_of(prices.local_embedding_per_million, Decimal(0), prices.currency),
    }


def price_of(read: Decimal, written: Decimal, currency: str) -> Price:
    return Price(nano_from_units(read), nano_from_units(written), currency)
