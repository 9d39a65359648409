"""All requests of one drill, counted."""

import math
from collections import Counter
from collections.abc import Sequence

from secondbasket.core.drill import CostChange, DrillMoment, DrillPhase, Second, Switch
from secondbasket.maas.drills.observed import Observed


class Tally:
    """Add requests as they end; `cut` is (from, until) in seconds since the start, once known."""

    def __init__(self) -> None:
        self.requests: list[Observed] = []
        self.left = 0
        self.cut: tuple[float, float] | None = None

    def add(self, request: Observed) -> None:
        """One that its caller left says nothing of whether it would have been answered."""
        if request.ending == "left":
            self.left += 1
        else:
            self.requests.append(request)

    def ended(self, ending: str) -> int:
        return sum(request.ending == ending for request in self.requests)

    def answered_by(self) -> Counter[str]:
        return Counter(each.answered_by for each in self.requests if each.answered_by)

    def errors(self) -> Counter[str]:
        """Codes of the requests that were not answered."""
        return Counter(each.error for each in self.requests if each.ending != "answered")

    def asked(self) -> Counter[tuple[str, bool]]:
        """(upstream, whether it answered) of every time that one was asked."""
        return Counter(hop for request in self.requests for hop in request.hops)

    def under_cut(self) -> tuple[list[Observed], list[Observed]]:
        """Requests that the cut had no part in, and those that ran while it was there."""
        outside: list[Observed] = []
        inside: list[Observed] = []
        for each in self.requests:
            met = self.cut and each.began < self.cut[1] and each.ended >= self.cut[0]
            (inside if met else outside).append(each)
        return outside, inside

    def moment(self, drill: str, phase: DrillPhase, *, at: float, seconds: float) -> DrillMoment:
        switched = [each.switch_ms for each in self.requests if each.switch_ms is not None]
        return DrillMoment(
            drill=drill,
            phase=phase,
            at=round(at, 3),
            seconds=seconds,
            requests=len(self.requests),
            answered=self.ended("answered"),
            refused_by_policy=self.ended("refused"),
            failed=self.ended("failed"),
            answered_by=dict(self.answered_by()),
            switch_ms=round(switched[-1], 1) if switched else None,
            switch_ms_p50=percentile(switched, 0.5),
            switch_ms_p95=percentile(switched, 0.95),
            streams_continued=sum(each.continued for each in self.requests),
            streams_broken=sum(each.broken for each in self.requests),
        )

    def timeline(self) -> tuple[Second, ...]:
        """One row for each second, from the first to the one in which the last request ended."""
        if not self.requests:
            return ()
        rows: list[list[Observed]] = [
            [] for _ in range(int(max(each.ended for each in self.requests)) + 1)
        ]
        for each in self.requests:
            rows[int(each.ended)].append(each)
        return tuple(
            Second(
                at=at,
                answered_by=dict(Counter(each.answered_by for each in row if each.answered_by)),
                refused_by_policy=sum(each.ending == "refused" for each in row),
                failed=sum(each.ending == "failed" for each in row),
            )
            for at, row in enumerate(rows)
        )

    def switches(self) -> tuple[Switch, ...]:
        return tuple(
            Switch(
                at=round(each.ended, 3),
                ms=round(each.switch_ms, 1),
                from_upstream=next(name for name, answered in each.hops if not answered),
                to_upstream=each.answered_by,
                continued=each.continued,
            )
            for each in self.requests
            if each.switch_ms is not None
        )

    def cost(self, currency: str) -> CostChange:
        outside, inside = (_cost_per_answer(part) for part in self.under_cut())
        return CostChange(
            currency=currency,
            total=sum(each.cost for each in self.requests),
            per_answer=outside,
            per_answer_cut=inside,
            difference_percent=(
                round(100 * (inside - outside) / outside, 2) if inside and outside else None
            ),
        )


def _cost_per_answer(requests: Sequence[Observed]) -> float | None:
    """Nano-units, what the attempts that failed did cost included."""
    answered = sum(each.ending == "answered" for each in requests)
    return round(sum(each.cost for each in requests) / answered, 1) if answered else None


def percent(part: int, whole: int) -> float:
    """Rounded down to hundredths, so that 100 means all of them; 0 of nothing."""
    return math.floor(10_000 * part / whole) / 100 if whole else 0.0


def percentile(values: Sequence[float], share: float) -> float | None:
    """The least value that `share` of them do not exceed (nearest rank); None of nothing."""
    if not values:
        return None
    return round(sorted(values)[max(0, math.ceil(share * len(values)) - 1)], 1)
