"""Who is asked, and in which order: pure choices over what is known of each upstream."""

import random
from collections.abc import Callable, Sequence

import msgspec

from secondbasket.core.ports import Upstream, UpstreamFacts
from secondbasket.maas.baskets import Basket
from secondbasket.maas.health import Health

Unproven = Callable[[Basket, UpstreamFacts], str | None]
"""Why an upstream does not count as equal to the others of its basket; None where it does."""


class Route(msgspec.Struct, frozen=True):
    """Upstreams in the order they are asked; `unproven` says why some of them come last.

    `preferred` are the names in the order that would hold if all were proven.
    """

    upstreams: tuple[Upstream, ...]
    unproven: dict[str, str] = {}
    preferred: tuple[str, ...] = ()

    def overtaken(self, name: str) -> dict[str, str]:
        """The unproven that `name` was asked before, although they are preferred; and why."""
        if not self.unproven or name in self.unproven:
            return {}
        before = self.preferred[: self.preferred.index(name)]
        return {each: self.unproven[each] for each in before if each in self.unproven}


def nothing_to_prove(_basket: Basket, _facts: UpstreamFacts) -> str | None:
    return None


class Router:
    """Orders a basket's upstreams by its rules; the ill and the unproven come last."""

    def __init__(self, health: Health, *, unproven: Unproven = nothing_to_prove) -> None:
        self.unproven = unproven
        self._health = health

    def route(self, basket: Basket) -> Route:
        upstreams = basket.upstreams
        if len(upstreams) == 1:
            return Route(upstreams)
        ordered = self._ordered(basket)
        names = [each.facts.name for each in ordered]
        unproven = {
            each.facts.name: why
            for each in ordered
            if (why := self.unproven(basket, each.facts)) is not None
        }
        outliers = self._health.outliers(names)
        if unproven or outliers:
            ordered = sorted(
                ordered,
                key=lambda each: (each.facts.name in unproven, each.facts.name in outliers),
            )
        return Route(tuple(ordered), unproven, tuple(names))

    def _ordered(self, basket: Basket) -> Sequence[Upstream]:
        """Sorting is stable: where a rule sees no difference, the listed order holds."""
        upstreams, health = basket.upstreams, self._health
        match basket.rules.routing:
            case "priority":
                return upstreams
            case "weighted":
                weights = basket.rules.weights
                # Exponential waiting times: who comes first is drawn by weight, then the next …
                return sorted(
                    upstreams, key=lambda each: _waiting_time(weights.get(each.facts.name, 1))
                )
            case "least_in_flight":
                return sorted(upstreams, key=lambda each: health.of(each.facts.name).in_flight)
            case "fastest":
                # One that was never measured is asked first: else it never would be.
                return sorted(
                    upstreams, key=lambda each: health.of(each.facts.name).first_token_ms or 0.0
                )
            case "cheapest":
                return sorted(upstreams, key=lambda each: _rate(each.facts))


def _waiting_time(weight: int) -> float:
    return random.expovariate(weight) if weight else float("inf")


def _rate(facts: UpstreamFacts) -> int:
    """What a million tokens read and a million written cost."""
    return facts.price.input_per_million + facts.price.output_per_million
