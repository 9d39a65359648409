"""A drill in the words that doors, command line and ledger share: plan, progress, report."""

from collections.abc import Mapping
from typing import Literal

import msgspec

DrillPhase = Literal["waiting", "before", "cut", "after", "done", "broken off"]
DrillOutcome = Literal["passed", "failed", "broken_off"]


class DrillPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is taken away, from whom, and how that is measured.

    `cuts` are texts such as 'law:US'. `basket` is a public model name, empty
    for the default chat model's. Canary requests are sent at `rate` a second
    for `seconds`, as data of `data_class` at least; with `rate` 0, which needs
    `live`, only the requests of others are measured. A `live` drill cuts
    everybody's traffic, and kills engines. It passes where `target` per cent
    were answered. `schedule` is the name of the settings' drill it belongs to.
    """

    cuts: tuple[str, ...]
    basket: str = ""
    seconds: float = 20.0
    rate: float = 1.0
    target: float = 100.0
    live: bool = False
    data_class: str = "public"
    schedule: str = ""


class DrillMoment(msgspec.Struct, frozen=True, kw_only=True):
    """How far a drill has come. `at` is seconds since its first request, of `seconds` planned.

    `answered_by` counts answers by upstream so far; `switch_ms` is the last
    switch time that was seen, the others are over all of them.
    """

    drill: str
    phase: DrillPhase
    at: float
    seconds: float
    requests: int = 0
    answered: int = 0
    refused_by_policy: int = 0
    failed: int = 0
    answered_by: Mapping[str, int] = {}
    switch_ms: float | None = None
    switch_ms_p50: float | None = None
    switch_ms_p95: float | None = None
    streams_continued: int = 0
    streams_broken: int = 0


class UpstreamPart(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream's part: how often it was asked, and with what end. `cut`: it was taken away."""

    upstream: str
    vendor: str
    law: str
    engine: str
    cut: bool
    asked: int
    answered: int
    failed: int


class CostChange(msgspec.Struct, frozen=True, kw_only=True):
    """Nano-units of `currency`: of all requests, and per answer outside and inside the cut.

    `difference_percent` is how much more an answer under the cut did cost.
    """

    currency: str
    total: int
    per_answer: float | None
    per_answer_cut: float | None
    difference_percent: float | None


class ParityChange(msgspec.Struct, frozen=True, kw_only=True):
    """The parity score of who answered, outside and inside the cut; None where `note` says why."""

    score: float | None
    score_cut: float | None
    difference: float | None
    note: str


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """A basket that has nobody left under the cut for data of these classes."""

    basket: str
    data_classes: tuple[str, ...]


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """What ended in one second of a drill: answers by upstream, and the others."""

    at: int
    answered_by: Mapping[str, int]
    refused_by_policy: int
    failed: int


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """One request that another upstream had to answer, `at` seconds into the drill."""

    at: float
    ms: float
    from_upstream: str
    to_upstream: str
    continued: bool


class DrillReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a drill showed. Signed, it has the members `document` and `signature` too.

    `report` and `page` are its files; `decision` is the id of its row in the
    ledger. `data_class` is the highest that a request of it had. `requests`
    are `answered`, `refused_by_policy` or `failed`. The switch time of a
    request runs from when the first upstream that failed it was asked (or the
    cut came, if that was later; or its stream broke off, if it had begun) to
    the first token of the upstream that answered; the handover time only to
    when that one was asked. Moments are RFC 3339 in UTC, empty where a drill
    did not come that far.
    """

    id: str
    report: str
    page: str
    decision: str
    schedule: str
    basket: str
    task: str
    cuts: tuple[str, ...]
    live: bool
    data_class: str
    started_at: str
    cut_at: str
    restored_at: str
    ended_at: str
    seconds: float
    rate: float
    target_percent: float
    passed: bool
    requests: int
    answered: int
    answered_percent: float
    answered_percent_cut: float | None
    refused_by_policy: int
    failed: int
    errors: Mapping[str, int]
    left_by_caller: int
    streams: int
    streams_continued: int
    streams_broken: int
    switches: int
    switch_ms_p50: float | None
    switch_ms_p95: float | None
    switch_ms_max: float | None
    handover_ms_p50: float | None
    handover_ms_p95: float | None
    upstreams: tuple[UpstreamPart, ...]
    cost: CostChange
    parity: ParityChange
    would_have_stopped: tuple[Stopped, ...]
    versions: Mapping[str, str]
    cut_from: float | None
    cut_until: float | None
    timeline: tuple[Second, ...]
    switch_times: tuple[Switch, ...]


class DrillRow(msgspec.Struct, frozen=True, kw_only=True):
    """A drill as the ledger tells it. `drill` names the report, which may be gone by now."""

    drill: str
    at: str
    basket: str
    cuts: tuple[str, ...]
    live: bool
    schedule: str
    outcome: DrillOutcome
    answered_percent: float | None
    switch_ms_p95: float | None
    sha256: str
