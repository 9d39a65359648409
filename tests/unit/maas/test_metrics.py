import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from secondbasket.core.egress import EgressSum
from secondbasket.core.ports import Upstream
from secondbasket.core.receipt import Hop, Receipt
from secondbasket.errors import UpstreamTimeout
from secondbasket.maas.health import Health, HealthRules
from secondbasket.maas.metrics import Metrics
from tests.idle_upstream import IdleUpstream, facts

RECEIPT = Receipt(
    request_id="req_1",
    created_at="2026-11-22T10:00:00.000Z",
    operation="chat",
    key_id="key_secret",
    key_name="alice",
    basket="default",
    upstream="local",
    model="m",
    digest="",
    engine="e",
    chip="cpu",
    provider="local",
    law="local",
    outcome="completed",
    input_tokens=10,
    output_tokens=4,
    cached_input_tokens=0,
    cost=2_500_000_000,
    currency="USD",
    duration_ms=300.0,
    first_token_ms=20.0,
)


def build(**present: int) -> Metrics:
    return metrics_of(lambda: present)


def metrics_of(
    replicas: Callable[[], Mapping[str, int]],
    upstreams: Mapping[str, Upstream] | None = None,
    health: Health | None = None,
    egress: Sequence[EgressSum] = (),
) -> Metrics:
    return Metrics(
        version="1.2.3",
        in_flight=lambda: 7,
        replicas=replicas,
        egress=lambda: egress,
        upstreams=lambda: upstreams or {},
        health=health or Health(),
    )


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    (found,) = (
        value
        for (sample, known), value in samples(metrics).items()
        if sample == name and known >= set(labels.items())
    )
    return found


def test_a_receipt_is_added_to_every_series() -> None:
    metrics = build()
    metrics.observe(RECEIPT)
    metrics.observe(msgspec.structs.replace(RECEIPT, request_id="req_2", first_token_ms=None))
    metrics.observe(msgspec.structs.replace(RECEIPT, outcome="client_closed", output_tokens=1))
    assert value(metrics, "secondbasket_requests_total", outcome="completed") == 2
    assert value(metrics, "secondbasket_requests_total", outcome="client_closed") == 1
    assert value(metrics, "secondbasket_tokens_total", gen_ai_token_type="input") == 30
    assert value(metrics, "secondbasket_tokens_total", gen_ai_token_type="output") == 9
    assert value(metrics, "secondbasket_cost_total", currency="USD") == 7.5
    duration = "gen_ai_server_request_duration_seconds"
    assert value(metrics, f"{duration}_count", gen_ai_operation_name="chat") == 3
    assert value(metrics, f"{duration}_bucket", le="0.32") == 3
    assert value(metrics, f"{duration}_bucket", le="0.16") == 0
    assert value(metrics, "gen_ai_server_time_to_first_token_seconds_count") == 2


def test_the_present_is_asked_at_each_reading() -> None:
    replicas = {"ready": 1}
    metrics = metrics_of(lambda: replicas)
    assert value(metrics, "secondbasket_requests_in_flight") == 7
    assert value(metrics, "secondbasket_replicas", state="ready") == 1
    replicas["ready"] = 0
    assert value(metrics, "secondbasket_replicas", state="ready") == 0
    assert value(metrics, "secondbasket_build_info", version="1.2.3") == 1


def test_egress_is_summed_by_direction_law_and_class_and_tells_no_destination() -> None:
    sums = [
        EgressSum(
            destination=f"{name}.example:443",
            vendor=name,
            law="US",
            data_class="internal",
            sent=sent,
            received=10,
        )
        for name, sent in (("a", 1), ("b", 2))
    ]
    metrics = metrics_of(dict, egress=sums)
    labels = {"law": "US", "data_class": "internal"}
    assert value(metrics, "secondbasket_egress_bytes_total", direction="sent", **labels) == 3
    assert value(metrics, "secondbasket_egress_bytes_total", direction="received", **labels) == 20
    assert b".example" not in metrics.exposition()


def hop(upstream: str, *, failed: bool = False, goes_on: bool = False) -> Hop:
    return Hop(
        upstream=upstream,
        decision="because",
        provider="p",
        law="US",
        model="m",
        outcome="upstream_failed" if failed else "completed",
        error="upstream_broken" if failed else None,
        goes_on=goes_on,
    )


def test_every_hop_and_every_way_from_one_to_the_next_is_counted() -> None:
    metrics = build()
    metrics.observe(RECEIPT)
    continued = (hop("a", failed=True), hop("b", goes_on=True))
    restarted = (hop("a", failed=True), hop("b", failed=True), hop("c", failed=True, goes_on=True))
    metrics.observe(msgspec.structs.replace(RECEIPT, upstream="b", hops=continued))
    broken = msgspec.structs.replace(RECEIPT, outcome="upstream_failed", streamed=True)
    metrics.observe(msgspec.structs.replace(broken, upstream="c", hops=restarted))
    hops = "secondbasket_hops_total"
    assert value(metrics, hops, upstream="local", outcome="completed", error="") == 1
    assert value(metrics, hops, upstream="a", error="upstream_broken") == 2
    assert value(metrics, hops, upstream="b", outcome="completed") == 1
    ways = "secondbasket_failovers_total"
    assert value(metrics, ways, from_upstream="a", to_upstream="b", kind="continued") == 1
    assert value(metrics, ways, from_upstream="a", to_upstream="b", kind="restarted") == 1
    assert value(metrics, ways, from_upstream="b", to_upstream="c", kind="continued") == 1
    assert value(metrics, "secondbasket_broken_streams_total", upstream="c") == 1


def test_an_upstreams_state_is_asked_at_each_reading() -> None:
    health = Health(HealthRules(failures_to_open=2))
    one = IdleUpstream(facts("one"))
    metrics = metrics_of(dict, {"one": one}, health)
    state = "secondbasket_upstream_breaker"
    assert value(metrics, state, upstream="one", state="closed") == 1
    assert value(metrics, state, upstream="one", state="open") == 0
    ill = health.of("one")
    ill.begin()
    ill.begin()
    ill.answered(250.0)
    for _ in range(2):
        ill.begin()
        ill.failed(UpstreamTimeout("It took too long."))
    ill.count_probe(None)
    ill.count_probe(UpstreamTimeout("It took too long."))
    while ill.take_retry():
        pass
    one.up = False
    assert value(metrics, state, upstream="one", state="closed") == 0
    assert value(metrics, state, upstream="one", state="half open") == 0
    assert value(metrics, state, upstream="one", state="open") == 1
    for name, told in (
        ("ready", 0),
        ("in_flight", 1),
        ("failure_share", 0),
        ("first_token_seconds", 0.25),
        ("breaker_openings_total", 1),
        ("refused_retries_total", 1),
    ):
        assert value(metrics, f"secondbasket_upstream_{name}", upstream="one") == told, name
    probes = "secondbasket_upstream_probes_total"
    assert value(metrics, probes, upstream="one", outcome="answered") == 1
    assert value(metrics, probes, upstream="one", outcome="failed") == 1


def test_refusals_are_counted_by_code() -> None:
    metrics = build()
    metrics.refused("invalid_api_key")
    metrics.refused("invalid_api_key")
    assert value(metrics, "secondbasket_refusals_total", code="invalid_api_key") == 2


def test_keys_and_requests_are_no_labels() -> None:
    metrics = build()
    metrics.observe(RECEIPT)
    text = metrics.exposition()
    for secret in (b"key_secret", b"alice", b"req_1"):
        assert secret not in text


def test_two_of_them_do_not_share_series() -> None:
    one, other = build(), build()
    one.observe(RECEIPT)
    assert b"secondbasket_requests_total{" not in other.exposition()


def test_observing_takes_microseconds() -> None:
    metrics = build()
    metrics.observe(RECEIPT)
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(1000):
            metrics.observe(RECEIPT)
        rounds.append((time.perf_counter() - start) / 1000)
    assert min(rounds) < 50e-6, f"{min(rounds) * 1e6:.1f} µs a receipt"
    print(f"{min(rounds) * 1e6:.1f} µs a receipt")
