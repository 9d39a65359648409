"""Rules agree on who may see data of a class, and what is not known is never allowed."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.data_class import DataClass
from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.policy.rules import OWN_MACHINES, Rule, Rules

PUBLIC, INTERNAL, CONFIDENTIAL, SECRET = DataClass
FACTS = ("law", "vendor", "operator", "location", "provider")
VALUES = ("", "US", "us", "DE", "FR", "Acme", OWN_MACHINES)


def upstream(
    *,
    provider: str = "acme",
    law: str = "US",
    vendor: str = "Acme",
    operator: str = "Acme",
    location: str = "US",
    host: str = "api.acme.example",
) -> UpstreamFacts:
    return UpstreamFacts(
        name="u",
        provider=provider,
        law=law,
        vendor=vendor,
        operator=operator,
        location=location,
        host=host,
        model="m",
        task="chat",
        price=Price(1, 1, "USD"),
    )


OWN = upstream(provider=OWN_MACHINES, law="own", vendor="", operator="", location="", host="")


@pytest.mark.parametrize("data_class", [PUBLIC, INTERNAL])
def test_without_rules_public_and_internal_data_go_anywhere(data_class: DataClass) -> None:
    assert Rules().judge(data_class, upstream()).allowed
    assert Rules().judge(data_class, OWN).allowed


@pytest.mark.parametrize("data_class", [CONFIDENTIAL, SECRET])
def test_without_rules_confidential_and_secret_data_stay_at_home(data_class: DataClass) -> None:
    verdict = Rules().judge(data_class, upstream())
    assert not verdict.allowed
    assert "built-in rule" in verdict.rule
    assert data_class.label in verdict.rule
    assert Rules().judge(data_class, OWN).allowed


def test_a_provider_outside_is_no_machine_of_ours_whatever_its_name() -> None:
    assert not Rules().judge(SECRET, upstream(provider=OWN_MACHINES)).allowed


def test_a_rule_takes_the_built_in_ones_place_for_the_classes_it_names() -> None:
    rules = Rules([Rule(name="eu", classes=frozenset({CONFIDENTIAL}), law=("DE", "FR"))])
    assert rules.judge(CONFIDENTIAL, upstream(law="FR")).allowed
    assert not rules.judge(CONFIDENTIAL, upstream(law="US")).allowed
    assert not rules.judge(SECRET, upstream(law="FR")).allowed


def test_a_verdict_names_the_rule_and_what_it_objects_to() -> None:
    rules = Rules([Rule(name="eu-only", classes=frozenset({INTERNAL}), law=("DE", "FR"))])
    assert rules.judge(INTERNAL, upstream()).rule == "rule 'eu-only': law US is not among DE, FR"
    unknown = rules.judge(INTERNAL, upstream(law=" ")).rule
    assert unknown == "rule 'eu-only': its law is not known; allowed: DE, FR"


def test_all_rules_of_a_class_must_agree() -> None:
    eu = Rule(name="eu", classes=frozenset({INTERNAL}), law=("DE",))
    acme = Rule(name="acme", classes=frozenset({INTERNAL, SECRET}), vendor=("Acme",))
    rules = Rules([eu, acme])
    assert rules.judge(INTERNAL, upstream(law="DE")).allowed
    both = rules.judge(INTERNAL, upstream(vendor="Other")).rule
    assert "'eu'" in both
    assert "'acme'" in both
    assert rules.judge(SECRET, upstream(law="US")).allowed


@pytest.mark.parametrize("fact", FACTS)
def test_each_fact_can_be_asked_for(fact: str) -> None:
    rules = Rules([Rule(name="r", classes=frozenset({PUBLIC}), **{fact: ("Here",)})])
    assert rules.judge(PUBLIC, upstream(**{fact: "here "})).allowed
    assert not rules.judge(PUBLIC, upstream(**{fact: "there"})).allowed
    assert not rules.judge(PUBLIC, upstream(**{fact: ""})).allowed


def test_an_empty_list_lets_nobody_in() -> None:
    rules = Rules([Rule(name="shut", classes=frozenset({PUBLIC}), vendor=())])
    assert not rules.judge(PUBLIC, upstream()).allowed
    assert not rules.judge(PUBLIC, OWN).allowed


listed = st.none() | st.lists(st.sampled_from(VALUES), max_size=3).map(tuple)
any_rule = st.builds(
    Rule,
    name=st.just("r"),
    classes=st.frozensets(st.sampled_from(DataClass), min_size=1),
    **dict.fromkeys(FACTS, listed),
)
any_upstream = st.builds(
    upstream, **{fact: st.sampled_from(VALUES) for fact in FACTS}, host=st.sampled_from(["", "h"])
)


@given(st.lists(any_rule, max_size=4), any_rule, any_upstream, st.sampled_from(DataClass))
def test_one_more_rule_never_allows_more(
    rules: Sequence[Rule], more: Rule, facts: UpstreamFacts, data_class: DataClass
) -> None:
    """For a class that is bound by rules already; the first one takes the built-in one's place."""
    before = Rules(rules).judge(data_class, facts)
    after = Rules([*rules, more]).judge(data_class, facts)
    if any(data_class in rule.classes for rule in rules):
        assert before.allowed or not after.allowed
    if data_class not in more.classes:
        assert after == before


@given(st.lists(any_rule, max_size=4), any_upstream, st.sampled_from(DataClass))
def test_whoever_is_allowed_is_on_every_list(
    rules: Sequence[Rule], facts: UpstreamFacts, data_class: DataClass
) -> None:
    if not Rules(rules).judge(data_class, facts).allowed:
        return
    for rule in rules:
        for fact in FACTS if data_class in rule.classes else ():
            allowed = getattr(rule, fact)
            value = getattr(facts, fact)
            assert allowed is None or value.casefold() in [each.casefold() for each in allowed]
            assert allowed is None or value != ""


@given(st.lists(any_rule, max_size=4), any_upstream, st.sampled_from(DataClass))
def test_a_remembered_verdict_is_the_same(
    rules: Sequence[Rule], facts: UpstreamFacts, data_class: DataClass
) -> None:
    known = Rules(rules)
    first = known.judge(data_class, facts)
    assert known.judge(data_class, facts) is first
    assert Rules(rules).judge(data_class, facts) == first
