"""What upstreams share is found, told in words, and never guessed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.maas.domains import VALUES
from secondbasket.maas.independence import SharedDomain, shared_domains, unknowns


def facts(name: str, **known: str) -> UpstreamFacts:
    told: dict[str, Any] = {"provider": name, "law": f"law of {name}", "model": "m"}
    told |= {"host": f"{name}.example"} | known
    return UpstreamFacts(name=name, task="chat", price=Price(0, 0, "USD"), **told)


def local(engine: str, **known: str) -> UpstreamFacts:
    plain = {
        "provider": "local",
        "law": "own",
        "vendor": "local",
        "operator": "local",
        "host": "",
        "weights_origin": "Hugging Face",
        "digest": "sha256:" + "b1" * 32,
        "engine_family": engine,
    }
    return facts(f"local/m@{engine}", **plain | known)


def by_domain(found: tuple[SharedDomain, ...]) -> dict[str, SharedDomain]:
    assert len({each.domain for each in found}) == len(found)
    return {each.domain: each for each in found}


def test_two_engines_over_the_same_weights_are_told_apart_honestly() -> None:
    found = by_domain(shared_domains("b", [local("llamacpp"), local("openvino")]))
    assert set(found) == {"weights", "weights_origin", "operator", "law", "machine"}
    assert all(each.severity == "breaks" and each.left == 0 for each in found.values())
    assert found["machine"].told == "If this machine stops, 2 of 2 stop."
    assert found["operator"].told == "If you stop running it, 2 of 2 stop."
    assert found["law"].told == "If your own law forbids it, 2 of 2 stop."
    twice = by_domain(shared_domains("b", [local("llamacpp"), local("llamacpp", digest="x")]))
    assert twice["engine"].told == "If a fault of the engine llamacpp shows, 2 of 2 stop."
    assert "weights" not in twice


def test_what_some_share_narrows_and_what_all_share_breaks() -> None:
    members = [
        facts("a", vendor="Mistral AI", host="api.mistral.ai", law="FR", location="FR"),
        facts("b", vendor="mistral  ai", host="eu.mistral.ai", law="FR", location="SE"),
        facts("c", vendor="Far Inc", host="far.example", law="US", location="FR"),
    ]
    found = by_domain(shared_domains("b", members))
    assert found["vendor"].upstreams == ("a", "b")
    assert (found["vendor"].severity, found["vendor"].left, found["vendor"].total) == (
        "narrows",
        1,
        3,
    )
    assert found["vendor"].told == "If Mistral AI stops answering, 2 of 3 stop."
    assert found["zone"].value == "mistral.ai"
    assert found["location"].upstreams == ("a", "c")
    both = by_domain(shared_domains("b", members[:2]))
    assert both["vendor"].told == "If Mistral AI stops answering, 2 of 2 stop."
    assert both["vendor"].severity == "breaks"
    assert "location" not in both


def test_members_of_the_union_share_its_law_beside_their_own() -> None:
    found = shared_domains("b", [facts("a", law="DE"), facts("b", law="DE"), facts("c", law="FR")])
    told = [(each.value, each.upstreams) for each in found if each.domain == "law"]
    assert told == [("EU", ("a", "b", "c")), ("DE", ("a", "b"))]
    alike = by_domain(shared_domains("b", [facts("a", law="DE"), facts("b", law="DE")]))
    assert alike["law"].value == "DE"
    named = by_domain(shared_domains("b", [facts("a", law="DE"), facts("b", law="EU")]))
    assert named["law"].value == "EU"
    assert not shared_domains("b", [facts("a", law="DE"), facts("b", law="CH")])


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("api.mistral.ai", "eu.api.mistral.ai", {"zone": "mistral.ai"}),
        ("a.co.uk", "b.co.uk", {}),
        ("one.azurewebsites.net", "two.azurewebsites.net", {"zone": "azurewebsites.net"}),
        ("llm", "llm", {"zone": "llm"}),
        ("llm", "other", {}),
        ("10.1.2.3", "10.1.2.3", {"machine": "10.1.2.3", "network": "10.1.2.0/24"}),
        ("10.1.2.3", "10.1.2.9", {"network": "10.1.2.0/24"}),
        ("10.1.2.3", "10.1.3.3", {}),
        ("10.1.2.3", "::ffff:10.1.2.3", {"machine": "10.1.2.3", "network": "10.1.2.0/24"}),
        ("2001:db8:1::1", "2001:db8:1:7::1", {"network": "2001:db8:1::/48"}),
        ("127.0.0.1", "localhost", {"machine": "this machine"}),
        ("127.0.0.1", "", {"machine": "this machine"}),
        ("", "far.example", {}),
    ],
)
def test_hosts_share_zones_machines_and_networks(
    first: str, second: str, shared: dict[str, str]
) -> None:
    found = shared_domains("b", [facts("a", host=first), facts("b", host=second)])
    assert {each.domain: each.value for each in found} == shared


def test_one_upstream_is_no_second_basket() -> None:
    [found] = shared_domains("b", [facts("a")])
    assert (found.domain, found.value, found.severity, found.left) == (
        "upstream",
        "a",
        "breaks",
        0,
    )
    assert found.told == "There is no second basket: a is all that counts."
    [found] = shared_domains("b", [])
    assert found.told == "There is no second basket: nothing behind it counts."


def test_who_does_not_count_is_told_and_is_not_compared() -> None:
    members = [facts("a", vendor="V"), facts("b", vendor="V"), facts("c", vendor="W")]
    found = shared_domains(
        "b", members, absent=["d"], unproven={"c": "parity 0.62 below floor 0.80"}
    )
    assert [(each.domain, each.severity) for each in found] == [
        ("vendor", "breaks"),
        ("absent", "narrows"),
        ("parity", "narrows"),
    ]
    assert found[1].told == "d does not count: not served here."
    assert found[2].told == "c does not count: parity 0.62 below floor 0.80."
    alone = shared_domains("b", members[:2], unproven={"b": "parity not measured"})
    assert [each.domain for each in alone] == ["upstream", "parity"]
    assert alone[0].told == "There is no second basket: a is all that counts."


def test_what_is_not_known_is_named_and_never_shared() -> None:
    members = [local("llamacpp"), facts("a"), facts("b", location="DE")]
    assert not shared_domains("b", members)
    assert [(each.domain, each.upstreams) for each in unknowns("b", members)] == [
        ("weights_origin", ("a", "b")),
        ("location", ("a",)),
    ]
    assert unknowns("b", [facts("a")]) == ()


_WORDS = st.sampled_from(["", "A", "a ", "B", "DE", "FR", "US", "local"])
_HOSTS = st.sampled_from(["", "localhost", "10.0.0.1", "10.0.0.2", "x.example", "y.example"])


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "law": _WORDS.filter(str.strip),
                "vendor": _WORDS,
                "operator": _WORDS,
                "weights_origin": _WORDS,
                "digest": _WORDS,
                "engine_family": _WORDS,
                "host": _HOSTS,
            }
        ),
        min_size=2,
        max_size=6,
    )
)
def test_every_finding_is_true_and_every_pair_that_shares_is_in_one(
    known: list[dict[str, str]],
) -> None:
    members = [facts(str(number), **each) for number, each in enumerate(known)]
    found = shared_domains("b", members)
    named = {each.name: each for each in members}

    def values(domain: str, name: str) -> set[str]:
        of = VALUES[domain]  # type: ignore[index]  # a finding about values has such a domain
        return {value.strip().casefold() for value in of(named[name])}

    for each in found:
        assert len(each.upstreams) >= 2
        assert each.left == len(members) - len(each.upstreams)
        assert (each.severity == "breaks") is (each.left == 0)
        for name in each.upstreams:
            assert each.value.strip().casefold() in values(each.domain, name)
    for domain in VALUES:
        for one in named:
            for other in named:
                if one < other and values(domain, one) & values(domain, other):
                    assert any(
                        each.domain == domain and {one, other} <= set(each.upstreams)
                        for each in found
                    )
