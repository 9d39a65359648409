"""Who has proven to be as good: asked on the way of every request, so held in memory."""

import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from secondbasket.core.ports import UpstreamFacts
from secondbasket.maas.baskets import Basket

_DAY_SECONDS = 86_400.0


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A whole evaluation of one upstream. `at` is seconds since 1970; the digests say of what."""

    basket: str
    upstream: str
    model: str
    digest: str
    evals_digest: str
    at: float
    score: float


class ParityStanding:
    """The latest measurement of each upstream in each basket, by each evaluation.

    It counts while it is of the evaluation that the basket has now, of the
    model and weights that the upstream has now, and young enough.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._latest: dict[tuple[str, str, str], Measurement] = {}
        self._evals: dict[str, str] = {}
        self._usual = ""

    def expect(self, evals: Mapping[str, str], usual: str) -> None:
        """The digest of each basket's evaluation from now on; `usual` is that of the others."""
        self._evals = dict(evals)
        self._usual = usual

    def expect_of(self, basket: str, evals_digest: str) -> None:
        """The file of one basket's evaluation was found changed."""
        self._evals[basket] = evals_digest

    def take(self, measurements: Iterable[Measurement]) -> None:
        """Remember them, the later in place of the earlier."""
        for each in measurements:
            key = (each.basket, each.upstream, each.evals_digest)
            known = self._latest.get(key)
            if known is None or known.at <= each.at:
                self._latest[key] = each

    def evals_of(self, basket: str) -> str:
        return self._evals.get(basket, self._usual)

    def measured(self, basket: str, upstream: str) -> Measurement | None:
        """Its last measurement in the basket's evaluation, whatever it is now; None: never."""
        return self._latest.get((basket, upstream, self.evals_of(basket)))

    def score(self, basket: str, upstream: str) -> float | None:
        """What it scored then."""
        known = self.measured(basket, upstream)
        return None if known is None else known.score

    def unproven(self, basket: Basket, facts: UpstreamFacts) -> str | None:
        """Why it does not count as an equal of the others, in words; None where it does."""
        floor = basket.rules.parity_floor
        if floor is None:
            return None
        known = self.measured(basket.name, facts.name)
        if known is None:
            return "parity not measured"
        if (known.model, known.digest) != (facts.model, facts.digest):
            return "parity not measured of this model"
        days = basket.rules.parity_max_age_days
        if self._clock() - known.at > days * _DAY_SECONDS:
            return f"parity not measured within {days} days"
        if known.score < floor:
            return f"parity {_below(known.score, floor)} below floor {floor:.2f}"
        return None


def _below(score: float, floor: float) -> str:
    """`score` to two places; to more where it would read as the floor that it misses."""
    for places in range(2, 5):
        told = f"{score:.{places}f}"
        if float(told) < floor:
            return told
    return str(score)
