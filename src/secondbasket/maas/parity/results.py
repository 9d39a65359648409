"""What a parity run found: by case, by kind of check, by upstream, side by side."""

import math
from typing import Literal

import msgspec

from secondbasket.maas.parity.checks import Kind

CaseOutcome = Literal["passed", "failed", "error", "not allowed"]
State = Literal["measured", "incomplete", "not allowed", "absent"]

# 95 % of a normal distribution lie within so many standard deviations.
_Z = 1.959964


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """One case on one upstream. `why` never quotes the answer; `cost` includes its judge.

    `answer` is there while a run is told of, and is not kept.
    """

    id: str
    line: int
    kind: Kind
    outcome: CaseOutcome
    why: str = ""
    cost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    first_token_ms: float | None = None
    duration_ms: float = 0.0
    request_id: str = ""
    answer: str = ""


class KindScore(msgspec.Struct, frozen=True):
    kind: Kind
    passed: int
    total: int


class UpstreamParity(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream's part. Only a `measured` one has a `score`: every case was answered.

    `low` and `high` bound the true share with 95 % confidence (Wilson).
    `unproven` says why it does not count in its basket now; None where it does
    or no floor is set. Costs are nano-units.
    """

    upstream: str
    state: State
    reason: str = ""
    model: str = ""
    digest: str = ""
    engine: str = ""
    law: str = ""
    passed: int = 0
    total: int = 0
    score: float | None = None
    low: float | None = None
    high: float | None = None
    kinds: tuple[KindScore, ...] = ()
    cost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    first_token_ms_p50: float | None = None
    duration_ms_p50: float | None = None
    unproven: str | None = None
    cases: tuple[CaseResult, ...] = ()


class ParityRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run over a basket. It is `complete` where every upstream was measured."""

    id: str
    at: str
    basket: str
    evals: str
    evals_digest: str
    judge: str | None
    data_class: str
    currency: str
    floor: float | None
    complete: bool
    cost: int
    upstreams: tuple[UpstreamParity, ...]


def wilson(passed: int, total: int) -> tuple[float, float]:
    """The Wilson interval of `passed` in `total` (> 0): where the true share lies, 95 % sure."""
    share = passed / total
    spread = _Z * _Z / total
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt((share * (1 - share) + spread / 4) / total) / (1 + spread)
    # At either end the bound is the end itself, which the sums above miss by a rounding.
    return (centre - half if passed else 0.0), (centre + half if passed < total else 1.0)
