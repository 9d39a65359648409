"""The way of a request through the upstreams, as its receipt tells it."""

import msgspec
import pytest

from secondbasket.core.receipt import Hop, Outcome, Receipt
from secondbasket.core.story import hops_of, story

RECEIPT = Receipt(
    request_id="req_1",
    created_at="2026-11-24T14:05:09.250Z",
    operation="chat",
    key_id="key_1",
    key_name="Ada",
    basket="assistant",
    upstream="a",
    model="m",
    digest="",
    engine="",
    chip="",
    provider="p",
    law="US",
    outcome="completed",
    input_tokens=26,
    output_tokens=3,
    cached_input_tokens=0,
    cost=1900,
    currency="USD",
    duration_ms=420.0,
    first_token_ms=60.0,
)


def hop(upstream: str, outcome: Outcome = "upstream_failed", *, goes_on: bool = False) -> Hop:
    return Hop(
        upstream=upstream,
        decision="first by priority",
        provider="p",
        law="US",
        model="m",
        outcome=outcome,
        goes_on=goes_on,
    )


@pytest.mark.parametrize(
    ("hops", "told"),
    [
        ((), ""),
        ((hop("a", "completed"),), "a answered"),
        ((hop("a"), hop("b", "completed")), "b answered after a failed"),
        ((hop("a"), hop("b", "completed", goes_on=True)), "continued on b after a broke off"),
        (
            (hop("a"), hop("b"), hop("c", "completed", goes_on=True)),
            "continued on c after a failed and b broke off",
        ),
        (
            (hop("a"), hop("b", "client_closed")),
            "b was answering when the caller left, after a failed",
        ),
        (
            (hop("a"), hop("b", "revoked")),
            "b was answering when the key was revoked, after a failed",
        ),
        ((hop("a"), hop("b"), hop("c")), "a failed, b failed and c failed"),
        ((hop("a"), hop("b", goes_on=True)), "a broke off and b broke off"),
    ],
)
def test_the_hops_in_one_sentence(hops: tuple[Hop, ...], told: str) -> None:
    assert story(msgspec.structs.replace(RECEIPT, hops=hops)) == told


def test_who_was_passed_over_is_named() -> None:
    receipt = msgspec.structs.replace(
        RECEIPT, hops=(hop("b", "completed"),), passed_over={"a": "law is not FR", "c": "not ready"}
    )
    assert story(receipt) == "b answered; not asked: a, c"


def test_one_that_answered_alone_is_a_hop_too() -> None:
    [alone] = hops_of(RECEIPT)
    for field in ("upstream", "law", "outcome", "cost", "output_tokens", "first_token_ms"):
        assert getattr(alone, field) == getattr(RECEIPT, field)
    several = msgspec.structs.replace(RECEIPT, hops=(hop("a"), hop("b")))
    assert hops_of(several) == several.hops
