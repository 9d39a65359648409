"""What monitoring reads of every upstream: its breaker, its load, its failures, its probes."""

from collections.abc import Callable, Iterable, Mapping
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from secondbasket.core.ports import Upstream
from secondbasket.maas.health import BreakerState, Health

_NAME = "secondbasket_upstream"


class UpstreamMetrics(Collector):
    """`upstreams`, by name, are asked for at each reading."""

    def __init__(self, upstreams: Callable[[], Mapping[str, Upstream]], health: Health) -> None:
        self._upstreams = upstreams
        self._health = health

    def collect(self) -> Iterable[Metric]:
        ready = _gauge("ready", "Whether asking it can make sense now.")
        breaker = GaugeMetricFamily(
            f"{_NAME}_breaker",
            "1 for the state that its breaker is in.",
            labels=("upstream", "state"),
        )
        in_flight = _gauge("in_flight", "Its calls running now.")
        failures = _gauge("failure_share", "Share of its last outcomes that were failures.")
        first_token = _gauge("first_token_seconds", "Time to its first token, smoothed.")
        opened = _counter("breaker_openings", "How often its breaker opened.")
        refused = _counter("refused_retries", "Retries kept from it by its retry budget.")
        probes = CounterMetricFamily(
            f"{_NAME}_probes",
            "How often it was asked whether it would answer, by what it said.",
            labels=("upstream", "outcome"),
        )
        for name, upstream in self._upstreams().items():
            health = self._health.of(name)
            ready.add_metric((name,), upstream.ready())
            for state in get_args(BreakerState):
                breaker.add_metric((name, state), health.state == state)
            in_flight.add_metric((name,), health.in_flight)
            failures.add_metric((name,), health.failure_share)
            if health.first_token_ms is not None:
                first_token.add_metric((name,), health.first_token_ms / 1000)
            opened.add_metric((name,), health.opened)
            refused.add_metric((name,), health.refused_retries)
            probes.add_metric((name, "answered"), health.probes - health.failed_probes)
            probes.add_metric((name, "failed"), health.failed_probes)
        return (ready, breaker, in_flight, failures, first_token, opened, refused, probes)


def _gauge(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_NAME}_{name}", documentation, labels=("upstream",))


def _counter(name: str, documentation: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{_NAME}_{name}", documentation, labels=("upstream",))
