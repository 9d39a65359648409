"""One upstream's part in a call, while it runs: what it was asked for, made, and told."""

import time

import msgspec

from secondbasket.core.chat import Chunk
from secondbasket.core.ports import UpstreamFacts, WireMeter
from secondbasket.core.receipt import Hop, Outcome
from secondbasket.core.usage import Usage
from secondbasket.errors import BasketError
from secondbasket.maas.prices import plausible


class Attempt:
    """`most` is what it can have used at most, `pieces` how often content came.

    `began` and `since` are readings of `time.perf_counter`: of this attempt,
    and of the call it belongs to.
    """

    __slots__ = (
        "_hop",
        "_told",
        "_uncounted",
        "began",
        "decision",
        "facts",
        "first_token_ms",
        "goes_on",
        "meter",
        "most",
        "pieces",
        "since",
    )

    def __init__(
        self,
        facts: UpstreamFacts,
        decision: str,
        most: Usage,
        *,
        since: float,
        goes_on: bool = False,
    ) -> None:
        self.facts = facts
        self.decision = decision
        self.most = most
        self.goes_on = goes_on
        self.meter = WireMeter()
        self.pieces = 0
        self._told: Usage | None = None
        self._uncounted = 0
        self.first_token_ms: float | None = None
        self.since = since
        self.began = time.perf_counter()
        self._hop: Hop | None = None

    @property
    def hop(self) -> Hop | None:
        """Its part of the receipt; None while it runs."""
        return self._hop

    def observe(self, chunk: Chunk) -> bool:
        """Take one chunk into account; whether it holds anything of the answer itself."""
        pieces = sum(choice.has_content for choice in chunk.choices)
        if chunk.usage is None:
            self._uncounted += pieces
        else:
            self._told = chunk.usage
            self._uncounted = 0
        if pieces and self.first_token_ms is None:
            self.first_token_ms = milliseconds(self.began)
        self.pieces += pieces
        return pieces > 0

    @property
    def told(self) -> tuple[Usage, bool] | None:
        """What the upstream counted, and whether that is all of it; None where it never did, or
        counted what cannot be.

        For what came after it last counted, a piece is at least one token.
        """
        told = self._told
        if told is None or not plausible(told, self.most, wrote=self.pieces > self._uncounted):
            return None
        if not self._uncounted:
            return told, True
        written = max(told.output_tokens, self.written)
        return msgspec.structs.replace(told, output_tokens=written), False

    @property
    def written(self) -> int:
        """The fewest tokens that its pieces are; never more than could be asked of it, or whoever
        writes without end would be paid without end."""
        return min(self.pieces, self.most.output_tokens)

    def fail(self, error: BasketError) -> None:
        """It broke: what was used is what the upstream had told by then.

        Without that, a piece of text is at least one token: never more than was surely made.
        """
        usage, exact = self.told or (Usage(0, self.written), not self.pieces)
        self.close("upstream_failed", usage, exact=exact, error=error)

    def close(
        self, outcome: Outcome, usage: Usage, *, exact: bool, error: BasketError | None = None
    ) -> None:
        """Put down how it ended; only the first call counts."""
        if self._hop is not None:
            return
        facts = self.facts
        self._hop = Hop(
            upstream=facts.name,
            decision=self.decision,
            provider=facts.provider,
            law=facts.law,
            model=facts.model,
            digest=facts.digest,
            engine=facts.engine,
            chip=facts.chip,
            outcome=outcome,
            error=None if error is None else error.code,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            usage_exact=exact,
            cost=facts.price.cost(usage),
            started_ms=round((self.began - self.since) * 1000, 3),
            duration_ms=milliseconds(self.began),
            first_token_ms=self.first_token_ms,
            bytes_sent=self.meter.sent,
            bytes_received=self.meter.received,
            goes_on=self.goes_on,
        )


def milliseconds(since: float) -> float:
    """From a reading of `time.perf_counter` to now."""
    return round((time.perf_counter() - since) * 1000, 3)
