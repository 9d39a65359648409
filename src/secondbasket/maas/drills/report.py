"""The report of a drill, made of what was counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from secondbasket.core.data_class import DataClass
from secondbasket.core.drill import DrillPlan, DrillReport, ParityChange, UpstreamPart
from secondbasket.maas.baskets import Basket
from secondbasket.maas.drills.observed import Observed
from secondbasket.maas.drills.scene import Scene
from secondbasket.maas.drills.tally import Tally, percent, percentile

Score = Callable[[str, str], float | None]
"""The parity score of an upstream for a basket, by their names; None where it was not measured."""


class Moments(msgspec.Struct):
    """When what happened, RFC 3339 in UTC; empty while it has not."""

    started_at: str = ""
    cut_at: str = ""
    restored_at: str = ""
    ended_at: str = ""


class Papers(msgspec.Struct, frozen=True, kw_only=True):
    """Where a report lies, and the ledger's row about it."""

    id: str
    report: str
    page: str
    decision: str


def make_report(
    plan: DrillPlan,
    papers: Papers,
    moments: Moments,
    *,
    basket: Basket,
    scene: Scene,
    tally: Tally,
    data_class: DataClass,
    currency: str,
    score: Score,
    version: str,
) -> DrillReport:
    """What is signed. A drill in which nothing was asked has not passed."""
    requests = tally.requests
    answered = tally.ended("answered")
    answered_percent = percent(answered, len(requests))
    inside = tally.under_cut()[1]
    streams = [each for each in requests if each.streamed]
    switch_ms = [each.switch_ms for each in requests if each.switch_ms is not None]
    handover_ms = [each.handover_ms for each in requests if each.handover_ms is not None]
    cut_from, cut_until = tally.cut or (None, None)
    return DrillReport(
        **msgspec.structs.asdict(papers),
        **msgspec.structs.asdict(moments),
        schedule=plan.schedule,
        basket=basket.name,
        task=basket.task,
        cuts=tuple(str(cut) for cut in scene.cuts),
        live=plan.live,
        data_class=data_class.label,
        seconds=plan.seconds,
        rate=plan.rate,
        target_percent=plan.target,
        passed=bool(requests) and answered_percent >= plan.target,
        requests=len(requests),
        answered=answered,
        answered_percent=answered_percent,
        answered_percent_cut=percent(_answered(inside), len(inside)) if inside else None,
        refused_by_policy=tally.ended("refused"),
        failed=tally.ended("failed"),
        errors=dict(tally.errors()),
        left_by_caller=tally.left,
        streams=len(streams),
        streams_continued=sum(each.continued for each in streams),
        streams_broken=sum(each.broken for each in streams),
        switches=len(switch_ms),
        switch_ms_p50=percentile(switch_ms, 0.5),
        switch_ms_p95=percentile(switch_ms, 0.95),
        switch_ms_max=percentile(switch_ms, 1),
        handover_ms_p50=percentile(handover_ms, 0.5),
        handover_ms_p95=percentile(handover_ms, 0.95),
        upstreams=_parts(basket, scene, tally),
        cost=tally.cost(currency),
        parity=_parity(basket.name, tally, score),
        would_have_stopped=scene.would_stop(),
        versions={"secondbasket": version} | _engines(basket),
        cut_from=cut_from,
        cut_until=cut_until,
        timeline=tally.timeline(),
        switch_times=tally.switches(),
    )


def _answered(requests: Iterable[Observed]) -> int:
    return sum(each.ending == "answered" for each in requests)


def _parts(basket: Basket, scene: Scene, tally: Tally) -> tuple[UpstreamPart, ...]:
    asked = tally.asked()
    return tuple(
        UpstreamPart(
            upstream=facts.name,
            vendor=facts.vendor,
            law=facts.law,
            engine=facts.engine,
            cut=scene.severs(facts),
            asked=asked[facts.name, True] + asked[facts.name, False],
            answered=asked[facts.name, True],
            failed=asked[facts.name, False],
        )
        for facts in (each.facts for each in basket.upstreams)
    )


def _engines(basket: Basket) -> dict[str, str]:
    facts = (each.facts for each in basket.upstreams)
    return {each.engine_family: each.engine for each in facts if each.engine_family}


def _parity(basket: str, tally: Tally, score: Score) -> ParityChange:
    known = {name: score(basket, name) for name in sorted(tally.answered_by())}
    missing = [name for name, found in known.items() if found is None]
    scores = {name: found for name, found in known.items() if found is not None}
    outside, inside = (None if missing else _mean_score(part, scores) for part in tally.under_cut())
    note = ""
    if missing:
        note = f"not measured for {', '.join(missing)}; measure with: basket parity run {basket}"
    elif not known:
        note = "nothing was answered"
    return ParityChange(
        score=outside,
        score_cut=inside,
        difference=None if outside is None or inside is None else round(inside - outside, 4),
        note=note,
    )


def _mean_score(requests: Sequence[Observed], scores: dict[str, float]) -> float | None:
    answers = Counter(each.answered_by for each in requests if each.answered_by)
    total = answers.total()
    if not total:
        return None
    return round(sum(scores[name] * count for name, count in answers.items()) / total, 4)
