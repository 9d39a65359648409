"""One request of a drill, as its receipt and its error tell how it fared."""

from typing import Literal

import msgspec

from secondbasket.core.receipt import Hop, Receipt
from secondbasket.errors import AllUpstreamsFailed, BasketError, PolicyRefused

Ending = Literal["answered", "refused", "failed", "left"]


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """`began` and `ended` are seconds since the drill's start; 'left': its caller went away.
    `data_class` is the label of the class that it had, empty where nobody told.

    `hops` are (upstream, whether it answered) in the order they were asked.
    Where another one had to answer, `felt_from` is when the failure began to
    cost its caller time, `handed_over` when the one that answered was asked,
    and `resumed` when that one's first token came; all in seconds as `began`.
    """

    began: float
    ended: float
    ending: Ending
    streamed: bool
    data_class: str = ""
    error: str = ""
    hops: tuple[tuple[str, bool], ...] = ()
    felt_from: float | None = None
    handed_over: float = 0.0
    resumed: float = 0.0
    continued: bool = False
    broken: bool = False
    cost: int = 0

    @property
    def answered_by(self) -> str:
        """The upstream that brought the answer to its end; empty where none did."""
        return self.hops[-1][0] if self.ending == "answered" and self.hops else ""

    @property
    def handover_ms(self) -> float | None:
        """How long until the one that answered was asked; None where none failed."""
        return None if self.felt_from is None else 1000 * (self.handed_over - self.felt_from)

    @property
    def switch_ms(self) -> float | None:
        """How long until the first token of the one that answered; None where none failed."""
        return None if self.felt_from is None else 1000 * (self.resumed - self.felt_from)

    def met(self, cut: float) -> "Observed":
        """As it is when something was cut at `cut`: what an upstream took before is no failure."""
        if self.felt_from is None or not self.felt_from < cut < self.handed_over:
            return self
        return msgspec.structs.replace(self, felt_from=cut)


def from_receipt(receipt: Receipt, *, began: float) -> Observed:
    """What one receipt tells."""
    hops = receipt.hops
    failed = [hop for hop in hops if hop.outcome == "upstream_failed"]
    ending = _ending(receipt)
    begun = [hop for hop in failed if _had_begun(hop, streamed=receipt.streamed)]
    felt_from: float | None = None
    handed_over = resumed = 0.0
    if failed and ending == "answered":
        felt_from = began + _felt_from(failed[0], streamed=receipt.streamed) / 1000
        last = hops[-1]
        first_token_ms = last.duration_ms if last.first_token_ms is None else last.first_token_ms
        handed_over = began + last.started_ms / 1000
        resumed = handed_over + first_token_ms / 1000
    return Observed(
        began=began,
        ended=began + receipt.duration_ms / 1000,
        ending=ending,
        streamed=receipt.streamed,
        data_class=receipt.data_class,
        error=receipt.error or "",
        hops=tuple((hop.upstream, hop.outcome == "completed") for hop in hops)
        or ((receipt.upstream, receipt.outcome == "completed"),),
        felt_from=felt_from,
        handed_over=handed_over,
        resumed=resumed,
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
        data_class=error.data_class if isinstance(error, PolicyRefused) else "",
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
