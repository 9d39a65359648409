"""What lies outside: the door, the providers behind it, and the baskets over their models."""

from collections.abc import Callable, Mapping

import aiohttp

from secondbasket.app.prices import price_of
from secondbasket.app.tools import tool_urls
from secondbasket.core.plugins import load
from secondbasket.core.ports import Upstream, UpstreamFacts
from secondbasket.core.rules import BasketRules
from secondbasket.egress.cuts import Cuts
from secondbasket.egress.door import Door
from secondbasket.errors import SettingsError
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.baskets import BasketPlan, Baskets
from secondbasket.policy.destinations import DestinationRules, checked_url, destination_of
from secondbasket.settings import (
    Commit,
    Prepare,
    ProviderTable,
    Settings,
    UpstreamTable,
    task_of,
)


def _destinations(settings: Settings) -> DestinationRules:
    """What the operator's configuration names may be reached, wherever it lies."""
    inside = [destination_of(checked_url(f"http://{place}")) for place in settings.egress.allow]
    urls = [table.base_url for table in settings.providers.values()] + tool_urls(settings)
    named = [destination_of(checked_url(url)) for url in (*urls, *settings.ledger.head_push_urls)]
    return DestinationRules(inside, named=named)


def head_destinations(
    settings: Settings, door: Door
) -> dict[str, tuple[str, aiohttp.ClientSession]]:
    """By where each leads, which is told; the rest of its URL may be a secret."""
    found = {}
    for url in map(checked_url, settings.ledger.head_push_urls):
        session = door.session("heads of the ledger", base_url=str(url.origin()))
        found[str(destination_of(url))] = (str(url), session)
    return found


def open_door(settings: Settings, ledger: Ledger, cuts: Cuts) -> Door:
    return Door(
        _destinations(settings),
        ledger.record_decision,
        proxy=settings.egress.proxy,
        ca_bundle=settings.egress.ca_bundle,
        offline=settings.egress.offline,
        cuts=cuts,
    )


def _plans(settings: Settings) -> list[BasketPlan]:
    """The baskets of the settings file."""
    return [
        BasketPlan(
            name,
            table.task or task_of(settings, table.upstreams[0]),
            table.upstreams,
            BasketRules(
                routing=table.routing,
                weights=table.weights,
                first_token_seconds=table.first_token_seconds,
                idle_seconds=table.idle_seconds,
                attempts=table.attempts,
                continuation=table.continuation,
                parity_floor=table.parity_floor,
                parity_max_age_days=table.parity_max_age_days,
            ),
        )
        for name, table in settings.baskets.items()
    ]


def outside_baskets(baskets: Baskets, door: Door, environment: Mapping[str, str]) -> Prepare:
    """Puts the baskets of the settings up, over upstreams that are reached through the door."""

    def prepare(settings: Settings) -> Commit:
        rules = _destinations(settings)
        wires = sorted({provider.kind for provider in settings.providers.values()})
        kinds = load("secondbasket.upstreams", wires)
        keys = {
            name: _provider_key(name, table, environment)
            for name, table in settings.providers.items()
        }

        def commit() -> None:
            door.follow(rules)
            baskets.configure(
                _plans(settings),
                [
                    _outside_upstream(
                        kinds[settings.providers[table.provider].kind],
                        *(name, table, settings, door, keys),
                    )
                    for name, table in settings.upstreams.items()
                ],
            )

        return commit

    return prepare


def _outside_upstream(
    create: Callable[..., Upstream],
    name: str,
    table: UpstreamTable,
    settings: Settings,
    door: Door,
    keys: Mapping[str, str | None],
) -> Upstream:
    provider = settings.providers[table.provider]
    vendor = provider.vendor or table.provider
    facts = UpstreamFacts(
        name=name,
        provider=table.provider,
        law=provider.law,
        model=table.model,
        task=table.task,
        vendor=vendor,
        operator=provider.operator or vendor,
        location=provider.location or "",
        weights_origin=table.weights_origin,
        licence=table.licence,
        host=destination_of(checked_url(provider.base_url)).host,
        context_tokens=table.context_tokens,
        modalities=table.modalities,
        price=price_of(
            table.price_input_per_million,
            table.price_output_per_million,
            settings.prices.currency,
        ),
    )
    return create(
        facts,
        door.session(f"upstream {name}", base_url=provider.base_url, facts=facts),
        base_url=provider.base_url,
        api_key=keys[table.provider],
        connect_seconds=provider.connect_seconds,
    )


def _provider_key(name: str, table: ProviderTable, environment: Mapping[str, str]) -> str | None:
    if table.api_key_env is not None:
        key = environment.get(table.api_key_env)
        if not key:
            raise SettingsError(
                f"providers.{name}.api_key_env names the variable {table.api_key_env},"
                " which is not set.",
                hint="Set it where the server starts, or use api_key_file.",
            )
        return key
    if table.api_key_file is not None:
        try:
            return table.api_key_file.read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise SettingsError(
                f"providers.{name}.api_key_file cannot be read: {exc.strerror}.",
                hint="Point it at a readable file that holds the key and nothing else.",
            ) from exc
    return None
