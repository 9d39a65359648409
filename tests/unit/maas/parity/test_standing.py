"""Who counts as proven: below the floor, too old, of another model or evaluation, and why."""

import msgspec
import pytest

from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.rules import BasketRules
from secondbasket.maas.baskets import Basket
from secondbasket.maas.parity.standing import Measurement, ParityStanding

FACTS = UpstreamFacts(
    name="u",
    provider="p",
    law="FR",
    model="m",
    digest="sha256:1",
    task="chat",
    price=Price(0, 0, "USD"),
)
MEASURED = Measurement(
    basket="b",
    upstream="u",
    model="m",
    digest="sha256:1",
    evals_digest="sha256:e",
    at=1000.0,
    score=0.85,
)


def basket(floor: float | None = 0.8, days: int = 30) -> Basket:
    rules = BasketRules(parity_floor=floor, parity_max_age_days=days)
    return Basket("b", "chat", (), rules=rules)


def standing(*measured: Measurement, now: float = 2000.0) -> ParityStanding:
    found = ParityStanding(clock=lambda: now)
    found.expect({"b": "sha256:e"}, "sha256:usual")
    found.take(measured)
    return found


def test_without_a_floor_everybody_counts() -> None:
    assert standing().unproven(basket(None), FACTS) is None
    low = msgspec.structs.replace(MEASURED, score=0.0)
    assert standing(low).unproven(basket(None), FACTS) is None


def test_at_the_floor_and_above_it_counts() -> None:
    assert standing(MEASURED).unproven(basket(), FACTS) is None
    assert standing(MEASURED).unproven(basket(0.85), FACTS) is None


@pytest.mark.parametrize(
    ("score", "floor", "told"),
    [
        (0.62, 0.8, "parity 0.62 below floor 0.80"),
        (0.0, 0.8, "parity 0.00 below floor 0.80"),
        (0.799, 0.8, "parity 0.799 below floor 0.80"),
        (43 / 60, 0.8, "parity 0.72 below floor 0.80"),
        (0.999, 1.0, "parity 0.999 below floor 1.00"),
        (0.79999, 0.8, "parity 0.79999 below floor 0.80"),
    ],
)
def test_below_the_floor_does_not_and_says_by_how_much(
    score: float, floor: float, told: str
) -> None:
    low = msgspec.structs.replace(MEASURED, score=score)
    assert standing(low).unproven(basket(floor), FACTS) == told


def test_an_old_measurement_does_not_count() -> None:
    day = 86_400.0
    assert standing(MEASURED, now=1000 + 30 * day).unproven(basket(), FACTS) is None
    old = standing(MEASURED, now=1001 + 30 * day)
    assert old.unproven(basket(), FACTS) == "parity not measured within 30 days"
    assert old.unproven(basket(days=31), FACTS) is None


def test_another_model_or_other_weights_are_not_measured() -> None:
    told = "parity not measured of this model"
    for changed in ({"model": "n"}, {"digest": "sha256:2"}):
        facts = msgspec.structs.replace(FACTS, **changed)
        assert standing(MEASURED).unproven(basket(), facts) == told
    newer_engine = msgspec.structs.replace(FACTS, engine="another version")
    assert standing(MEASURED).unproven(basket(), newer_engine) is None


def test_another_evaluation_another_basket_or_none_is_not_measured() -> None:
    found = standing(MEASURED)
    found.expect({"b": "sha256:other"}, "sha256:usual")
    assert found.unproven(basket(), FACTS) == "parity not measured"
    found.expect({"b": "sha256:e"}, "sha256:usual")
    assert found.unproven(basket(), FACTS) is None
    found.expect_of("b", "sha256:changed")
    assert found.unproven(basket(), FACTS) == "parity not measured"
    elsewhere = msgspec.structs.replace(MEASURED, basket="other")
    assert standing(elsewhere).unproven(basket(), FACTS) == "parity not measured"


def test_a_basket_without_a_file_goes_by_the_usual_one() -> None:
    usual = msgspec.structs.replace(MEASURED, evals_digest="sha256:usual")
    found = ParityStanding(clock=lambda: 2000.0)
    found.expect({}, "sha256:usual")
    found.take([usual])
    assert found.unproven(basket(), FACTS) is None


def test_the_latest_counts_whatever_the_order_they_come_in() -> None:
    later = msgspec.structs.replace(MEASURED, at=1500.0, score=0.5)
    for order in ((MEASURED, later), (later, MEASURED)):
        assert standing(*order).unproven(basket(), FACTS) == "parity 0.50 below floor 0.80"


def test_other_cases_do_not_undo_what_was_measured_of_these() -> None:
    other = msgspec.structs.replace(MEASURED, at=1500.0, score=0.1, evals_digest="sha256:x")
    assert standing(MEASURED, other).unproven(basket(), FACTS) is None
