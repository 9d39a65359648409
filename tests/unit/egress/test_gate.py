import pytest

from secondbasket.core.decision import Decision
from secondbasket.egress.gate import Gate
from secondbasket.errors import StoreError
from secondbasket.policy.destinations import Destination, DestinationRules


def test_a_decision_that_could_not_be_recorded_is_told_the_next_time() -> None:
    told: list[Decision] = []
    full = True

    def record(decision: Decision) -> None:
        if full:
            raise StoreError("The disk is full.")
        told.append(decision)

    gate = Gate(
        DestinationRules(),
        record,
        proxy=None,
        offline=False,
        resolve=lambda host, port: ["1.1.1.1"],
    )
    place = Destination("example.com", 443)
    with pytest.raises(StoreError):
        gate.addresses("test", place)
    full = False
    for _ in range(2):
        assert gate.addresses("test", place) == ["1.1.1.1"]
    assert [(decision.subject, decision.outcome) for decision in told] == [(str(place), "allowed")]
