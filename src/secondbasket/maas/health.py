"""How each upstream is doing, as its calls show it: a breaker, a retry budget, its speed.

::

    closed ──failures in a row──▶ open ──pause over──▶ half open ──trial answered──▶ closed
                                   ▲                       │
                                   └──trial failed, pause doubled

Nothing here knows why an upstream fails.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from secondbasket.errors import BasketError, UpstreamError, UpstreamLimited

BreakerState = Literal["closed", "open", "half open"]

_WINDOW = 50  # outcomes that are remembered of each upstream
_FEWEST = 10  # outcomes before a share of failures says anything
_ILL_SHARE = 0.5
_OUTLIER_SHARE = 0.2
_OUTLIER_FACTOR = 3.0
_SMOOTHING = 0.2

_MOST_RETRIES = 256.0
_RETRIES_A_SECOND = 4.0


class HealthRules(msgspec.Struct, frozen=True, kw_only=True):
    """Failures in a row that open a breaker; how long it stays open, in seconds."""

    failures_to_open: int = 5
    open_seconds: float = 1.0
    longest_open_seconds: float = 60.0


class UpstreamHealth:
    """One upstream. `in_flight` counts its calls; `first_token_ms` is smoothed, None if unknown.

    `opened`, `probes`, `failed_probes` and `refused_retries` count since the start.
    Every `begin` is followed by one of `answered`, `failed` and `left`.
    """

    def __init__(self, rules: HealthRules, clock: Callable[[], float]) -> None:
        self.state: BreakerState = "closed"
        self.in_flight = 0
        self.first_token_ms: float | None = None
        self.last_error = ""
        self.last_used = clock()
        self.opened = 0
        self.probes = 0
        self.failed_probes = 0
        self.refused_retries = 0
        self._rules = rules
        self._clock = clock
        self._failures = 0
        self._outcomes: deque[bool] = deque(maxlen=_WINDOW)
        self._pause = rules.open_seconds
        self._closed_until = 0.0
        self._limited_until = 0.0
        self._retries = _MOST_RETRIES
        self._retries_at = self.last_used

    def why_not(self) -> str | None:
        """Why it should not be asked now; None where it may be."""
        if self.state == "closed" and not self._limited_until:
            return None
        now = self._clock()
        if now < self._limited_until:
            return f"asked us to wait {self._limited_until - now:.1f} s more"
        self._limited_until = 0.0
        if self.state == "closed":
            return None
        if now < self._closed_until:
            return f"breaker open for {self._closed_until - now:.1f} s more ({self.last_error})"
        return "breaker half open: a trial is under way" if self.state == "half open" else None

    @property
    def wait_seconds(self) -> float:
        """How long it asked us to wait from now on; 0 where it did not, or that time is over."""
        return max(0.0, self._limited_until - self._clock())

    @property
    def due(self) -> bool:
        """Is its breaker open, and the pause over?"""
        return self.state == "open" and self._clock() >= self._closed_until

    @property
    def failure_share(self) -> float:
        """The share of its last outcomes that were failures; 0 while there are few."""
        if len(self._outcomes) < _FEWEST:
            return 0.0
        return self._outcomes.count(False) / len(self._outcomes)

    def take_retry(self) -> bool:
        """May a call that another upstream failed come here? Bounded, so that none gets a storm."""
        now = self._clock()
        gained = (now - self._retries_at) * _RETRIES_A_SECOND
        self._retries = min(_MOST_RETRIES, self._retries + gained)
        self._retries_at = now
        if self._retries < 1:
            self.refused_retries += 1
            return False
        self._retries -= 1
        return True

    def begin(self) -> None:
        self.in_flight += 1
        self.last_used = self._clock()
        if self.state == "open":
            # The pause is over (see `why_not`): this call is the trial.
            self.state = "half open"
            self._closed_until = 0.0

    def speaks(self) -> None:
        """Its answer has begun. A trial may then go on for as long as its caller likes to read:
        after another pause somebody else may try."""
        if self.state == "half open":
            self.state = "open"
            self._closed_until = self._clock() + self._pause

    def answered(self, first_token_ms: float | None) -> None:
        """It did what it was asked."""
        self.in_flight -= 1
        self._recover()
        self._outcomes.append(True)
        self._retries = min(_MOST_RETRIES, self._retries + 1)
        if first_token_ms is not None:
            before = self.first_token_ms
            self.first_token_ms = (
                first_token_ms
                if before is None
                else before + _SMOOTHING * (first_token_ms - before)
            )

    def failed(self, error: BasketError) -> None:
        """It did not; a request that it rightly refuses counts as neither."""
        self.in_flight -= 1
        if isinstance(error, UpstreamLimited) and error.retry_after is not None:
            self._limited_until = max(self._limited_until, self._clock() + error.retry_after)
            self._end_trial()
        elif isinstance(error, UpstreamError) and error.retryable:
            self._count_failure(error)
        else:
            self._end_trial()

    def left(self) -> None:
        """The caller went away: says nothing about the upstream."""
        self.in_flight -= 1
        self._end_trial()

    def count_probe(self, error: BasketError | None) -> None:
        """It was asked whether it would answer: no `error` means that it would.

        That alone does not close a breaker: who answers a probe may still fail calls.
        """
        self.last_used = self._clock()
        self.probes += 1
        if error is not None:
            self.failed_probes += 1
            self._count_failure(error)

    def _count_failure(self, error: BasketError) -> None:
        self.last_error = error.code
        self._failures += 1
        self._outcomes.append(False)
        if self.state == "half open" or self.due:
            self._pause = min(self._pause * 2, self._rules.longest_open_seconds)
            self._open()
        elif self.state == "closed" and (
            self._failures >= self._rules.failures_to_open or self.failure_share >= _ILL_SHARE
        ):
            self._open()

    def _open(self) -> None:
        self.state = "open"
        self.opened += 1
        # Less up to a quarter at random: many gateways must not try again in one moment.
        self._closed_until = self._clock() + self._pause * random.uniform(0.75, 1.0)

    def _end_trial(self) -> None:
        """A trial that told nothing: the next call is one."""
        if self.state == "half open":
            self.state = "open"
            self._closed_until = 0.0

    def _recover(self) -> None:
        self._failures = 0
        if self.state != "closed":
            self.state = "closed"
            self._outcomes.clear()
            self._pause = self._rules.open_seconds


class Health:
    """The health of every upstream, by name; `rules` hold for all of them."""

    def __init__(
        self, rules: HealthRules | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rules = rules or HealthRules()
        self._clock = clock
        self._known: dict[str, UpstreamHealth] = {}

    def of(self, name: str) -> UpstreamHealth:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = UpstreamHealth(self._rules, self._clock)
        return known

    def outliers(self, names: Iterable[str]) -> frozenset[str]:
        """Those that fail far more often than the others do; never more than half of them."""
        shares = {name: self.of(name).failure_share for name in names}
        if not any(shares.values()):
            return frozenset()
        worst = sorted(shares, key=lambda name: -shares[name])[: len(shares) // 2]
        least = min(shares.values())
        bound = max(_OUTLIER_SHARE, _OUTLIER_FACTOR * least)
        return frozenset(name for name in worst if shares[name] >= bound)
