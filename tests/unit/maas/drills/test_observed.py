"""What a receipt tells of a drill's request: the switch time above all."""

import msgspec
import pytest

from secondbasket.core.receipt import Hop, Outcome, Receipt
from secondbasket.errors import AllUpstreamsFailed, PolicyRefused, UpstreamBroken
from secondbasket.maas.drills.observed import from_error, from_receipt


def hop(
    upstream: str, outcome: Outcome, *, started: float, lasted: float, first: float | None = None
) -> Hop:
    return Hop(
        upstream=upstream,
        decision="",
        provider="p",
        law="US",
        model="m",
        outcome=outcome,
        error=None if outcome == "completed" else "upstream_broken",
        started_ms=started,
        duration_ms=lasted,
        first_token_ms=first,
    )


def receipt(*hops: Hop, streamed: bool = True, outcome: Outcome = "completed") -> Receipt:
    return Receipt(
        request_id="req_1",
        created_at="2026-11-24T00:00:00.000Z",
        operation="chat",
        key_id="drill",
        key_name="drill",
        basket="b",
        upstream="eu",
        model="m",
        digest="",
        engine="",
        chip="",
        provider="p",
        law="EU",
        outcome=outcome,
        error=None if outcome == "completed" else "upstream_broken",
        input_tokens=1,
        output_tokens=1,
        cached_input_tokens=0,
        cost=7,
        currency="USD",
        duration_ms=900,
        first_token_ms=100,
        streamed=streamed,
        hops=hops,
    )


REFUSED = hop("us", "upstream_failed", started=1, lasted=2)
BROKE_OFF = hop("us", "upstream_failed", started=1, lasted=400, first=50)
ANSWERED = hop("eu", "completed", started=410, lasted=490, first=30)


def test_one_that_answers_alone_has_no_switch() -> None:
    request = from_receipt(receipt(), began=2.0)
    assert (request.ending, request.answered_by, request.hops) == (
        "answered",
        "eu",
        (("eu", True),),
    )
    assert request.ended == pytest.approx(2.9)
    assert request.switch_ms is None
    assert not request.continued
    assert request.cost == 7


def test_before_the_first_token_it_counts_from_when_the_failing_one_was_asked() -> None:
    request = from_receipt(receipt(REFUSED, ANSWERED), began=2.0)
    assert request.handover_ms == pytest.approx(409)
    assert request.switch_ms == pytest.approx(439)
    assert not request.continued


def test_a_stream_counts_from_when_it_broke_off() -> None:
    request = from_receipt(receipt(BROKE_OFF, ANSWERED), began=2.0)
    assert request.handover_ms == pytest.approx(9)
    assert request.switch_ms == pytest.approx(39)
    assert request.continued


def test_a_plain_answer_that_broke_off_was_never_seen_and_counts_from_its_beginning() -> None:
    request = from_receipt(receipt(BROKE_OFF, ANSWERED, streamed=False), began=2.0)
    assert request.switch_ms == pytest.approx(439)
    assert not request.continued


def test_without_a_first_token_told_it_counts_to_the_end() -> None:
    silent = msgspec.structs.replace(ANSWERED, first_token_ms=None)
    request = from_receipt(receipt(REFUSED, silent), began=2.0)
    assert request.switch_ms == pytest.approx(409 + 490)


def test_what_an_upstream_took_before_the_cut_is_no_switch_time() -> None:
    request = from_receipt(receipt(REFUSED, ANSWERED), began=2.0)
    assert request.met(2.201).switch_ms == pytest.approx(439 - 200)
    assert request.met(1.0) == request
    assert request.met(2.5) == request  # it had failed by then


def test_a_stream_that_ended_with_an_error_after_its_beginning_is_broken() -> None:
    request = from_receipt(receipt(BROKE_OFF, outcome="upstream_failed"), began=0)
    assert (request.ending, request.broken, request.continued) == ("failed", True, False)
    assert request.switch_ms is None


@pytest.mark.parametrize("outcome", ["client_closed", "revoked"])
def test_who_left_says_nothing(outcome: Outcome) -> None:
    assert from_receipt(receipt(outcome=outcome), began=0).ending == "left"


def test_an_error_without_a_receipt() -> None:
    refused = from_error(PolicyRefused("b", "secret", {"us": "r"}), began=0, ended=1)
    assert (refused.ending, refused.error) == ("refused", "policy_refused")
    broken = UpstreamBroken("x")
    failed = from_error(AllUpstreamsFailed("b", [("us", broken), ("eu", broken)]), began=0, ended=1)
    assert (failed.ending, failed.hops) == ("failed", (("us", False), ("eu", False)))
