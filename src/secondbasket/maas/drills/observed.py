"""One request of a drill, as its receipt and its error tell how it fared."""

from typing import Literal

import msgspec

from secondbasket.core.receipt import Hop, Receipt
from secondbasket.errors import AllUpstreamsFailed, BasketError, PolicyRefused

Ending = Literal["answered", "refused", "failed", "left"]


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """`began` and `ended` are seconds since the drill's start; 'left': its caller went away.

    `hops` are (upstream, whether it answered) in the order they were asked.
    `handover_ms` and `switch_ms` are there where another one had to answer.
    """

    began: float
    ended: float
    ending: Ending
    streamed: bool
    error: str = ""
    hops: tuple[tuple[str, bool], ...] = ()
    handover_ms: float | None = None
    switch_ms: float | None = None
    continued: bool = False
    broken: bool = False
    cost: int = 0

    @property
    def answered_by(self) -> str:
        """The upstream that brought the answer to its end; empty where none did."""
        return self.hops[-1][0] if self.ending == "answered" and self.hops else ""


def from_receipt(receipt: Receipt, *, began: float) -> Observed:
    """What one receipt tells."""
    hops = receipt.hops
    failed = [hop for hop in hops if hop.outcome == "upstream_failed"]
    ending = _ending(receipt)
    begun = [hop for hop in failed if _had_begun(hop, streamed=receipt.streamed)]
    handover_ms = switch_ms = None
    if failed and ending == "answered":
        since = _felt_from(failed[0], streamed=receipt.streamed)
        last = hops[-1]
        handover_ms = last.started_ms - since
        first_token_ms = last.duration_ms if last.first_token_ms is None else last.first_token_ms
        switch_ms = handover_ms + first_token_ms
    return Observed(
        began=began,
        ended=began + receipt.duration_ms / 1000,
        ending=ending,
        streamed=receipt.streamed,
        error=receipt.error or "",
        hops=tuple((hop.upstream, hop.outcome == "completed") for hop in hops)
        or ((receipt.upstream, receipt.outcome == "completed"),),
        handover_ms=handover_ms,
        switch_ms=switch_ms,
        continued=ending == "answered" and bool(begun),
        broken=ending == "failed" and receipt.streamed and receipt.first_token_ms is not None,
        cost=receipt.cost,
    )


def from_error(
    error: BasketError, *, began: float, ended: float, streamed: bool = False
) -> Observed:
    """A request that left no receipt with its caller."""
    attempts = error.attempts if isinstance(error, AllUpstreamsFailed) else ()
    return Observed(
        began=began,
        ended=ended,
        ending="refused" if isinstance(error, PolicyRefused) else "failed",
        streamed=streamed,
        error=error.code,
        hops=tuple((name, False) for name, _ in attempts),
    )


def _ending(receipt: Receipt) -> Ending:
    if receipt.outcome == "completed":
        return "answered"
    if receipt.outcome == "upstream_failed":
        return "refused" if receipt.error == PolicyRefused.code else "failed"
    return "left"


def _had_begun(hop: Hop, *, streamed: bool) -> bool:
    """Had its caller read something of it? A plain answer is handed on once it is whole."""
    return streamed and hop.first_token_ms is not None


def _felt_from(hop: Hop, *, streamed: bool) -> float:
    """When its failing began to cost its caller time, in ms since the request came."""
    broke_off = hop.started_ms + hop.duration_ms
    return broke_off if _had_begun(hop, streamed=streamed) else hop.started_ms
