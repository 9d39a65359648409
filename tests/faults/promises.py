"""What failover promises of every call, checked against what the upstreams themselves saw."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from secondbasket.core.receipt import Hop, Receipt
from tests.faults.calls import Seen
from tests.faults.cases import Case
from tests.faults.house import Customer, House
from tests.faults.server import Call, Upstream
from tests.faults.wire import written

_NANO_A_MILLION = 1_000  # nano-units that a token costs, for each unit that a million cost
_QUIET_SECONDS = 5.0


class Part(msgspec.Struct, frozen=True):
    """An upstream's part in the call that holds `tag`.

    `prices` are those of a million tokens read and written.
    """

    upstream: Upstream
    prices: tuple[int, int]
    tag: str

    @property
    def calls(self) -> list[Call]:
        return [call for call in self.upstream.calls if self.tag.encode() in call.body]


def is_never_a_false_end(seen: Seen, *, declined: bool = False) -> None:
    """The whole answer, or something that says that it is not: no third thing."""
    assert seen.ending != "hung"
    assert seen.ending != "malformed"
    if seen.ending == "clean" and not declined:
        assert seen.flaw == "whole"
    else:
        assert seen.flaw in ("whole", "short"), "what was delivered before is not of one piece"


def is_as_expected(case: Case, seen: Seen, *, goes_on: bool, second_well: bool) -> None:
    """What the catalogue says that a client sees."""
    fault = case.fault
    if fault.sees == "as sent":
        assert (seen.ending, seen.flaw) == ("clean", "repeated")
        return
    is_never_a_false_end(seen, declined=fault.sees == "as declined")
    if seen.ending == "clean" and case.kind != "embeddings":
        assert seen.finish_reason
    if fault.sees == "final error":
        assert (seen.ending, seen.status) == ("error status", 400)
    elif fault.sees == "as declined":
        assert (seen.ending, seen.finish_reason) == ("clean", "content_filter")
    elif fault.whole:
        assert seen.whole
    elif not second_well:
        assert seen.failed_openly or fault.sees == "complete or error" or fault.first is not None
    elif fault.midway and case.mode == "stream" and not (goes_on and fault.form == "text"):
        assert seen.failed_openly
        assert seen.text
    else:
        assert seen.whole


async def is_billed_as_it_ran(
    home: House, customer: Customer, seen: Seen | None, parts: Sequence[Part]
) -> Receipt | None:
    """One receipt, whose hops are the calls that the upstreams got, priced where they ran."""
    receipts = await home.receipts(customer)
    assert len(receipts) <= 1, "billed more than once"
    assert await home.balanced(customer)
    if not receipts:
        assert not any(part.calls for part in parts)
        return None
    receipt = receipts[0]
    hops = receipt.hops or (_sole(receipt),)
    by_name = {part.upstream.name: part for part in parts}
    for part in parts:
        told = [hop for hop in hops if hop.upstream == part.upstream.name]
        # One that was not listening, or came to it too late, may know less than the receipt.
        assert len(part.calls) <= len(told), "a call that is not on the receipt"
        assert part.calls or all(hop.outcome == "upstream_failed" for hop in told)
    for hop in hops:
        _is_true(hop, by_name[hop.upstream])
    assert receipt.cost == sum(hop.cost for hop in hops)
    assert receipt.usage_exact == all(hop.usage_exact for hop in hops)
    _counts_what_was_delivered(hops, parts)
    if seen is not None and seen.ending == "clean" and seen.usage is not None:
        assert seen.usage == (receipt.input_tokens, receipt.output_tokens)
    return receipt


def _counts_what_was_delivered(hops: Sequence[Hop], parts: Sequence[Part]) -> None:
    """Where an answer went on elsewhere, all words that were out by then are on the bill."""
    for hop in hops[1:]:
        called = next(part.calls[-1:] for part in parts if part.upstream.name == hop.upstream)
        if hop.decision.startswith("goes on") and called:
            before = hops[: hops.index(hop)]
            assert sum(each.output_tokens for each in before) >= called[0].asked.begun


def _is_true(hop: Hop, part: Part) -> None:
    """What the ledger says of one upstream is what that upstream told, or less and says so."""
    read_price, written_price = part.prices
    cost = hop.input_tokens * read_price + hop.output_tokens * written_price
    assert hop.cost == cost * _NANO_A_MILLION
    calls = part.calls
    if not calls:  # it did not listen
        assert (hop.input_tokens, hop.output_tokens) == (0, 0)
        return
    most = max(written(call.asked) for call in calls)
    reads = {call.asked.read for call in calls}
    if hop.outcome == "completed" and hop.usage_exact:
        truths = {(call.asked.read, written(call.asked)) for call in calls}
        declined = part.upstream.fault is not None and part.upstream.fault.sees == "as declined"
        used = (hop.input_tokens, hop.output_tokens)
        assert used in ({(read, 0) for read in reads} if declined else truths)
    else:
        assert hop.input_tokens in {0} | reads
        assert 0 <= hop.output_tokens <= most


def _sole(receipt: Receipt) -> Hop:
    """The one hop of a receipt that leaves it out."""
    fields: dict[str, Any] = {name: getattr(receipt, name, None) for name in Hop.__struct_fields__}
    return Hop(**fields | {"decision": "first", "started_ms": 0.0})


async def leaves_nothing_open(home: House, upstreams: Sequence[Upstream]) -> None:
    """Every call is over at its upstream, and nothing in the product still counts it."""
    for upstream in upstreams:
        assert await asyncio.to_thread(upstream.is_quiet, _QUIET_SECONDS), "a leaked connection"
        assert home.stack.health.of(upstream.name).in_flight == 0
