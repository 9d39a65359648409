"""How the upstreams of a basket stand, as routing would see them now."""

from collections.abc import Callable
from datetime import UTC, datetime

from secondbasket.core.clock import timestamp
from secondbasket.core.ports import Upstream
from secondbasket.core.standing import Standing, State
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.health import Health, UpstreamHealth
from secondbasket.maas.parity.standing import Measurement
from secondbasket.maas.routing import Router

Measured = Callable[[str, str], Measurement | None]
"""The last parity measurement of an upstream in a basket, by their names."""


class Standings:
    def __init__(
        self, baskets: Baskets, health: Health, router: Router, *, measured: Measured
    ) -> None:
        self._baskets = baskets
        self._health = health
        self._router = router
        self._measured = measured

    def of(self, basket: Basket) -> tuple[Standing, ...]:
        """Every upstream of it in the listed order, those that are not up last."""
        outliers = self._health.outliers(each.facts.name for each in basket.upstreams)
        here = tuple(
            self._standing(basket, each, outlier=each.facts.name in outliers)
            for each in basket.upstreams
        )
        plan = self._baskets.planned(basket.name)
        known = {standing.name for standing in here}
        return here + tuple(
            Standing(name=name, state="missing", reason="basket.toml names it, and it is not up")
            for name in (plan.members if plan is not None else ())
            if name not in known
        )

    def _standing(self, basket: Basket, upstream: Upstream, *, outlier: bool) -> Standing:
        facts = upstream.facts
        health = self._health.of(facts.name)
        measured = self._measured(basket.name, facts.name)
        state, reason = _state(upstream, health, outlier=outlier)
        return Standing(
            name=facts.name,
            state=state,
            reason=reason,
            unproven=self._router.unproven(basket, facts) or "",
            in_flight=health.in_flight,
            first_token_ms=health.first_token_ms,
            failure_share=round(health.failure_share, 3),
            last_error=health.last_error,
            parity=None if measured is None else round(measured.score, 4),
            parity_at="" if measured is None else _moment(measured.at),
            provider=facts.provider,
            vendor=facts.vendor,
            operator=facts.operator,
            law=facts.law,
            location=facts.location,
            model=facts.model,
            weights_origin=facts.weights_origin,
            licence=facts.licence,
            engine=facts.engine,
            engine_family=facts.engine_family,
            host=facts.host,
            digest=facts.digest,
        )


def _moment(seconds: float) -> str:
    return timestamp(datetime.fromtimestamp(seconds, UTC))


def _state(upstream: Upstream, health: UpstreamHealth, *, outlier: bool) -> tuple[State, str]:
    if not upstream.ready():
        return "not ready", "it is loading, or it has stopped"
    why_not = health.why_not() or ""
    if health.wait_seconds:
        return "limited", why_not
    if health.state == "open":
        return "breaker open", why_not or "its pause is over: the next call is its trial"
    if health.state == "half open":
        return "half open", why_not
    if outlier:
        return "outlier", "it fails far more often than the others, and is asked last"
    return "ready", ""
