"""`basket up --stand-ins`: two vendors that are none, to try cuts of a law or a vendor on.

Each listens on loopback and is reached as any provider is, through the
outbound door; one is declared under US law, one under EU law. Models of this
machine answer behind both.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal

from secondbasket.app import Stack
from secondbasket.maas.stand_ins import StandInModels, stand_in_gateway
from secondbasket.models.catalogue import load_catalogue
from secondbasket.server.listen import listen_tcp
from secondbasket.server.serve import Listener
from secondbasket.server.stand_ins import stand_in_app
from secondbasket.settings import (
    LOCAL_PREFIX,
    BasketTable,
    ProviderTable,
    Settings,
    UpstreamTable,
)

BASKET = "stand-ins"
_KEY_VARIABLE = "STAND_IN_KEY"
_CONTEXT_TOKENS = 4096


@dataclass(frozen=True)
class _Vendor:
    """`engine` is asked first behind it, so that the two differ in more than their names."""

    name: str
    vendor: str
    law: str
    engine: str
    input_price: Decimal
    output_price: Decimal


# The prices are made up.
_VENDORS = (
    _Vendor(
        "stand-in-us", "Stand-in US (no real vendor)", "US", "", Decimal("0.50"), Decimal("1.50")
    ),
    _Vendor(
        "stand-in-eu",
        "Stand-in EU (no real vendor)",
        "EU",
        "openvino",
        Decimal("0.60"),
        Decimal("1.80"),
    ),
)


def _maker(settings: Settings, model: str) -> str:
    """Who made the local model's weights, which answer behind both; empty where nobody says."""
    named = settings.models.makers.get(model)
    if named is not None:
        return named
    entry = load_catalogue(settings.models.catalogue).get(model)
    return "" if entry is None else entry.maker


class StandIns:
    """Their listening sockets, and the key that they are reached with; closed by `closing`."""

    def __init__(self, closing: ExitStack) -> None:
        self._key = secrets.token_urlsafe(32)
        self._sockets = {
            vendor.name: closing.enter_context(listen_tcp("127.0.0.1", 0)) for vendor in _VENDORS
        }

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """`environment` with the key in it."""
        return {**environment, _KEY_VARIABLE: self._key}

    def configured(self, settings: Settings) -> Settings:
        """`settings` with the stand-ins as providers, and a basket of both and the local model."""
        model = settings.models.default_chat
        providers, upstreams = dict(settings.providers), dict(settings.upstreams)
        for vendor in _VENDORS:
            port = self._sockets[vendor.name].getsockname()[1]
            providers[vendor.name] = ProviderTable(
                base_url=f"http://127.0.0.1:{port}/v1",
                api_key_env=_KEY_VARIABLE,
                vendor=vendor.vendor,
                law=vendor.law,
                location=vendor.law,
            )
            upstreams[vendor.name] = UpstreamTable(
                provider=vendor.name,
                model=model,
                weights_origin=_maker(settings, model),
                context_tokens=_CONTEXT_TOKENS,
                price_input_per_million=vendor.input_price,
                price_output_per_million=vendor.output_price,
            )
        names = tuple(vendor.name for vendor in _VENDORS)
        basket = BasketTable(upstreams=(*names, f"{LOCAL_PREFIX}{model}"))
        return settings.model_copy(
            update={
                "providers": providers,
                "upstreams": upstreams,
                "baskets": {**settings.baskets, BASKET: basket},
            }
        )

    def configuring(self, reread: Callable[[], Settings]) -> Callable[[], Settings]:
        """`reread`, with the stand-ins in what it reads."""
        return lambda: self.configured(reread())

    def doors(self, stack: Stack) -> Iterator[Listener]:
        """What answers on each of the sockets."""
        settings = stack.settings
        model, currency = settings.models.default_chat, settings.prices.currency
        default = f"{LOCAL_PREFIX}{model}"
        for vendor in _VENDORS:
            first = f"{default}@{vendor.engine}" if vendor.engine else default
            models = StandInModels(stack.baskets, model=model, upstreams=(first, default))
            yield Listener(
                stand_in_app(
                    stand_in_gateway(models, stack.budgets, currency=currency),
                    key=self._key,
                    currency=currency,
                    max_body_bytes=settings.server.max_body_bytes,
                    stall_seconds=settings.server.client_stall_seconds,
                ),
                self._sockets[vendor.name],
                drain_seconds=settings.engine.drain_seconds,
            )
