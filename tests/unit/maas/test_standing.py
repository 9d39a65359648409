"""How upstreams stand: every state a person can be shown, from the health that routing sees."""

import pytest

from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.standing import Standing
from secondbasket.errors import UpstreamLimited, UpstreamTimeout, UpstreamUnavailable
from secondbasket.maas.baskets import Basket, BasketPlan, Baskets
from secondbasket.maas.health import Health, HealthRules, UpstreamHealth
from secondbasket.maas.parity.standing import Measurement, ParityStanding
from secondbasket.maas.routing import Router
from secondbasket.maas.standing import Standings
from tests.idle_upstream import IdleUpstream, facts


class House:
    def __init__(self) -> None:
        self.now = 100.0
        self.one = IdleUpstream(facts("one", law="US", vendor="Vendor One"))
        self.two = IdleUpstream(facts("two", law="FR"))
        self.baskets = Baskets()
        self.baskets.configure(
            [BasketPlan("b", "chat", ("one", "two", "local/small"))], [self.one, self.two]
        )
        self.health = Health(
            HealthRules(failures_to_open=3, open_seconds=4), clock=lambda: self.now
        )
        self.parity = ParityStanding()
        self.standings = Standings(
            self.baskets,
            self.health,
            Router(self.health, unproven=self.unproven),
            measured=self.parity.measured,
        )

    def unproven(self, basket: Basket, facts: UpstreamFacts) -> str | None:
        return "parity 0.40 is below 0.80" if facts.name == "two" else None

    def standing(self) -> Standing:
        return self.standings.of(self.baskets.find("b"))[0]

    @property
    def first(self) -> UpstreamHealth:
        return self.health.of("one")


def fail(health: UpstreamHealth, times: int = 1) -> None:
    for _ in range(times):
        health.begin()
        health.failed(UpstreamTimeout("It took too long."))


def test_one_that_is_well_has_its_facts_and_its_figures() -> None:
    house = House()
    for _ in range(2):
        house.first.begin()
    house.first.answered(40.0)
    standing = house.standing()
    assert (standing.name, standing.state, standing.reason) == ("one", "ready", "")
    assert (standing.law, standing.vendor) == ("US", "Vendor One")
    assert (standing.in_flight, standing.first_token_ms) == (1, 40.0)
    assert standing.unproven == ""


def test_the_members_that_are_not_up_come_last() -> None:
    house = House()
    assert [each.name for each in house.standings.of(house.baskets.find("b"))] == [
        "one",
        "two",
        "local/small",
    ]
    assert house.standings.of(house.baskets.find("b"))[2].state == "missing"


def test_the_last_parity_score_stands_beside_it() -> None:
    house = House()
    assert (house.standing().parity, house.standing().parity_at) == (None, "")
    at = 1_795_000_000.0
    house.parity.take(
        [
            Measurement(
                basket="b",
                upstream="one",
                model="inner",
                digest="",
                evals_digest=house.parity.evals_of("b"),
                at=at,
                score=0.91667,
            )
        ]
    )
    assert house.standing().parity == 0.9167
    assert house.standing().parity_at.startswith("2026-11-")


def test_what_is_unproven_says_why() -> None:
    house = House()
    assert house.standings.of(house.baskets.find("b"))[1].unproven == "parity 0.40 is below 0.80"


def test_a_breaker_opens_lets_a_trial_through_and_closes() -> None:
    house = House()
    fail(house.first, 3)
    assert house.standing().state == "breaker open"
    assert "s more (upstream_timeout)" in house.standing().reason
    assert house.standing().last_error == "upstream_timeout"
    house.now += 5
    assert house.standing().state == "breaker open"
    assert "the next call is its trial" in house.standing().reason
    house.first.begin()
    assert house.standing().state == "half open"
    house.first.answered(None)
    assert house.standing().state == "ready"


def test_one_that_asked_us_to_wait_is_limited_for_that_long() -> None:
    house = House()
    house.first.begin()
    house.first.failed(UpstreamLimited("Slow down.", retry_after=3.0))
    assert house.standing().state == "limited"
    assert house.standing().reason == "asked us to wait 3.0 s more"
    house.now += 4
    assert house.standing().state == "ready"


def test_one_that_is_down_or_stands_out_says_so() -> None:
    house = House()
    for number in range(20):
        house.health.of("two").begin()
        house.health.of("two").answered(None)
        house.first.begin()
        if number % 3:
            house.first.answered(None)
        else:
            house.first.failed(UpstreamUnavailable("It is gone."))
    assert house.standing().state == "outlier"
    assert house.standing().failure_share == pytest.approx(0.35)
    house.one.up = False
    assert house.standing().state == "not ready"
