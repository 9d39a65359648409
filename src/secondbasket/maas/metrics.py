"""What monitoring reads: counts and times of calls, with OpenTelemetry's `gen_ai` names.

Labels come from the configuration only (baskets, upstreams, error codes),
never from a request or a key, so that nobody outside can multiply the series.
Source of the names: OpenTelemetry semantic conventions for generative AI.
"""

from collections import Counter as Counted
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from secondbasket.core.data_class import DataClass
from secondbasket.core.egress import EgressSum
from secondbasket.core.money import NANO
from secondbasket.core.ports import Upstream
from secondbasket.core.receipt import Hop, Receipt
from secondbasket.maas.health import Health
from secondbasket.maas.upstream_metrics import UpstreamMetrics

# The conventions' own bucket bounds, in seconds.
_DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_TOKEN = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)
_CALL = ("gen_ai_operation_name", "gen_ai_request_model", "upstream")


class Metrics:
    """Fed with every receipt and every refusal; read as Prometheus' text form.

    `in_flight`, `replicas` (counts by state), `egress`, `upstreams` (by name)
    and their `health` are asked at each reading.
    """

    def __init__(
        self,
        *,
        version: str,
        in_flight: Callable[[], int],
        replicas: Callable[[], Mapping[str, int]],
        egress: Callable[[], Iterable[EgressSum]],
        upstreams: Callable[[], Mapping[str, Upstream]],
        health: Health,
    ) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "secondbasket_requests",
            "Calls that reached an upstream, by how they ended.",
            (*_CALL, "outcome"),
            registry=registry,
        )
        self._tokens = Counter(
            "secondbasket_tokens",
            "Tokens read (input) and written (output).",
            (*_CALL, "gen_ai_token_type"),
            registry=registry,
        )
        self._cost = Counter(
            "secondbasket_cost",
            "Cost of calls, in units of the currency.",
            (*_CALL, "currency"),
            registry=registry,
        )
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Time from a call's arrival to its last byte.",
            _CALL,
            buckets=_DURATION,
            registry=registry,
        )
        self._first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time from a call's arrival to its first token.",
            _CALL,
            buckets=_FIRST_TOKEN,
            registry=registry,
        )
        self._hops = Counter(
            "secondbasket_hops",
            "Upstreams that were asked, by how that ended; a call may ask several.",
            ("upstream", "outcome", "error"),
            registry=registry,
        )
        self._failovers = Counter(
            "secondbasket_failovers",
            "Calls that went on at another upstream: restarted, or continued in the middle.",
            ("gen_ai_request_model", "from_upstream", "to_upstream", "kind"),
            registry=registry,
        )
        self._broken = Counter(
            "secondbasket_broken_streams",
            "Streams that ended with an error after part of the answer was out.",
            ("gen_ai_request_model", "upstream"),
            registry=registry,
        )
        self._refusals = Counter(
            "secondbasket_refusals",
            "Requests answered with an error, by its code.",
            ("code",),
            registry=registry,
        )
        self._policy_refusals = Counter(
            "secondbasket_policy_refusals",
            "Calls that failed while a rule kept their data from an upstream, by their class.",
            ("data_class",),
            registry=registry,
        )
        Info("secondbasket_build", "What is running.", registry=registry).info({"version": version})
        registry.register(_Present(in_flight, replicas, egress))
        registry.register(UpstreamMetrics(upstreams, health))
        self._series: dict[tuple[str, ...], _Series] = {}
        self._hop_series: dict[tuple[str, str, str], Counter] = {}

    def observe(self, receipt: Receipt) -> None:
        """Add one call up. Takes microseconds; call it on the event loop."""
        call = (receipt.operation, receipt.basket, receipt.upstream)
        key = (*call, receipt.outcome, receipt.currency)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series(
                requests=self._requests.labels(*call, receipt.outcome),
                input_tokens=self._tokens.labels(*call, "input"),
                output_tokens=self._tokens.labels(*call, "output"),
                cost=self._cost.labels(*call, receipt.currency),
                duration=self._duration.labels(*call),
                first_token=self._first_token.labels(*call),
            )
        series.add(receipt)
        self._count_hops(receipt)

    def _count_hops(self, receipt: Receipt) -> None:
        if not receipt.hops:
            self._count_hop(receipt)
        before: Hop | None = None
        for hop in receipt.hops:
            self._count_hop(hop)
            if before is not None:
                kind = "continued" if hop.goes_on else "restarted"
                names = (receipt.basket, before.upstream, hop.upstream)
                self._failovers.labels(*names, kind).inc()
            before = hop
        if receipt.streamed and receipt.outcome == "upstream_failed" and receipt.output_tokens:
            self._broken.labels(receipt.basket, receipt.upstream).inc()

    def _count_hop(self, ended: Receipt | Hop) -> None:
        key = (ended.upstream, ended.outcome, ended.error or "")
        counter = self._hop_series.get(key)
        if counter is None:
            counter = self._hop_series[key] = self._hops.labels(*key)
        counter.inc()

    def refused(self, code: str) -> None:
        """Count one error answer."""
        self._refusals.labels(code).inc()

    def refused_by_policy(self, data_class: DataClass) -> None:
        """Count one call whose data a rule kept from an upstream, and that nobody answered."""
        self._policy_refusals.labels(data_class.label).inc()

    def exposition(self) -> bytes:
        """Everything, in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)


class _Series:
    """The series of one kind of call, looked up once: looking up labels costs more than adding."""

    __slots__ = ("_cost", "_duration", "_first_token", "_input", "_output", "_requests")

    def __init__(
        self,
        *,
        requests: Counter,
        input_tokens: Counter,
        output_tokens: Counter,
        cost: Counter,
        duration: Histogram,
        first_token: Histogram,
    ) -> None:
        self._requests = requests
        self._input = input_tokens
        self._output = output_tokens
        self._cost = cost
        self._duration = duration
        self._first_token = first_token

    def add(self, receipt: Receipt) -> None:
        self._requests.inc()
        self._input.inc(receipt.input_tokens)
        self._output.inc(receipt.output_tokens)
        self._cost.inc(receipt.cost / NANO)
        self._duration.observe(receipt.duration_ms / 1000)
        if receipt.first_token_ms is not None:
            self._first_token.observe(receipt.first_token_ms / 1000)


class _Present(Collector):
    """What is so at this moment, asked when somebody reads."""

    def __init__(
        self,
        in_flight: Callable[[], int],
        replicas: Callable[[], Mapping[str, int]],
        egress: Callable[[], Iterable[EgressSum]],
    ) -> None:
        self._in_flight = in_flight
        self._replicas = replicas
        self._egress = egress

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "secondbasket_requests_in_flight", "Calls running now.", value=self._in_flight()
        )
        states = GaugeMetricFamily(
            "secondbasket_replicas", "Engine replicas, by state.", labels=("state",)
        )
        for state, count in self._replicas().items():
            states.add_metric((state,), count)
        yield states
        yield _egress_bytes(self._egress())


def _egress_bytes(sums: Iterable[EgressSum]) -> Metric:
    """Without the destinations: a model hub hands out as many as it likes."""
    totals: Counted[tuple[str, str, str]] = Counted()
    for each in sums:
        totals["sent", each.law, each.data_class] += each.sent
        totals["received", each.law, each.data_class] += each.received
    family = CounterMetricFamily(
        "secondbasket_egress_bytes",
        "Bytes that left this machine and came to it, by controlling law and data class.",
        labels=("direction", "law", "data_class"),
    )
    for labels, total in totals.items():
        family.add_metric(labels, total)
    return family
