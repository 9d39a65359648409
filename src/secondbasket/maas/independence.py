"""Independence: what the upstreams of a basket share, and so what would stop several at once.

Pure, and honest about what it cannot know: `unknowns` names what nobody said.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from secondbasket.core.ports import UpstreamFacts
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.domains import VALUES, Domain, cause, machine
from secondbasket.maas.routing import Unproven


class SharedDomain(msgspec.Struct, frozen=True, kw_only=True):
    """One cause that would stop several upstreams of a basket at once.

    `value` is what they share, `left` how many of the `total` that count would
    still answer: where none would, it `breaks` the basket, else it `narrows`
    it. `told` says so in words.

    Three domains are about less than that: 'upstream' says that there is no
    second basket, 'parity' and 'absent' that one upstream does not count as one.
    """

    basket: str
    domain: Domain | Literal["upstream", "parity", "absent"]
    value: str
    upstreams: tuple[str, ...]
    left: int
    total: int
    severity: Literal["breaks", "narrows"]
    told: str


class Unknown(msgspec.Struct, frozen=True):
    """What nobody said of these upstreams of a basket, so that it could not be compared."""

    basket: str
    domain: Domain
    upstreams: tuple[str, ...]


class Findings(msgspec.Struct, frozen=True):
    """What was found of these baskets, the worst of each first."""

    baskets: tuple[str, ...]
    shared: tuple[SharedDomain, ...]
    unknown: tuple[Unknown, ...]


class Independence:
    """Looks at the baskets in force as they are at this moment."""

    def __init__(self, baskets: Baskets, unproven: Unproven) -> None:
        self._baskets = baskets
        self._unproven = unproven

    def findings(self, name: str | None = None) -> Findings:
        """Of one basket, or of all. Raises ModelNotFound where there is none of that name."""
        baskets = list(self._baskets) if name is None else [self._baskets.find(name)]
        shared: list[SharedDomain] = []
        unknown: list[Unknown] = []
        for basket in baskets:
            facts = [upstream.facts for upstream in basket.upstreams]
            here = {each.name for each in facts}
            plan = self._baskets.planned(basket.name)
            reasons = {each.name: self._unproven(basket, each) for each in facts}
            shared += shared_domains(
                basket.name,
                facts,
                absent=[each for each in plan.members if each not in here] if plan else (),
                unproven={each: why for each, why in reasons.items() if why is not None},
            )
            unknown += unknowns(basket.name, facts)
        return Findings(tuple(each.name for each in baskets), tuple(shared), tuple(unknown))


def shared_domains(
    basket: str,
    upstreams: Sequence[UpstreamFacts],
    *,
    absent: Iterable[str] = (),
    unproven: Mapping[str, str] | None = None,
) -> tuple[SharedDomain, ...]:
    """Every domain that two or more upstreams of a basket share, the worst first.

    `absent` are members that are not up here, `unproven` says why an upstream
    does not count as a second basket: both are told of, and compared with none.
    """
    unproven = unproven or {}
    counting = [facts for facts in upstreams if facts.name not in unproven]
    total = len(counting)
    found = [
        SharedDomain(
            basket=basket,
            domain=domain,
            value=value,
            upstreams=names,
            left=total - len(names),
            total=total,
            severity="breaks" if len(names) == total else "narrows",
            told=f"If {cause(domain, value)}, {len(names)} of {total} stop.",
        )
        for domain, value, names in _groups(counting)
    ]
    found.sort(key=lambda each: -len(each.upstreams))
    if total < 2:
        found = [_alone(basket, counting)]
    discounted = [("absent", name, "not served here") for name in absent]
    discounted += [("parity", name, why) for name, why in unproven.items()]
    found += [
        SharedDomain(
            basket=basket,
            domain="absent" if domain == "absent" else "parity",
            value=why,
            upstreams=(name,),
            left=total,
            total=total,
            severity="narrows",
            told=f"{name} does not count: {why}.",
        )
        for domain, name, why in discounted
    ]
    return tuple(found)


def unknowns(basket: str, upstreams: Sequence[UpstreamFacts]) -> tuple[Unknown, ...]:
    """What is not known of some of the upstreams, although it could be shared."""
    if len(upstreams) < 2:
        return ()
    origins = tuple(facts.name for facts in upstreams if not facts.weights_origin)
    places = tuple(facts.name for facts in upstreams if not (facts.location or machine(facts)))
    told = (Unknown(basket, "weights_origin", origins), Unknown(basket, "location", places))
    return tuple(each for each in told if each.upstreams)


def _alone(basket: str, counting: Sequence[UpstreamFacts]) -> SharedDomain:
    names = tuple(facts.name for facts in counting)
    only = f"{names[0]} is all that counts" if names else "nothing behind it counts"
    return SharedDomain(
        basket=basket,
        domain="upstream",
        value="".join(names),
        upstreams=names,
        left=0,
        total=len(names),
        severity="breaks",
        told=f"There is no second basket: {only}.",
    )


def _groups(counting: Sequence[UpstreamFacts]) -> list[tuple[Domain, str, tuple[str, ...]]]:
    """(domain, what is shared, who shares it), each set of upstreams once in a domain."""
    groups: list[tuple[Domain, str, tuple[str, ...]]] = []
    for domain, values in VALUES.items():
        shared: dict[str, tuple[str, list[str]]] = {}
        for facts in counting:
            for value in values(facts):
                shared.setdefault(_folded(value), (value, []))[1].append(facts.name)
        told: set[tuple[str, ...]] = set()
        for value, members in shared.values():
            names = tuple(members)
            if len(names) > 1 and names not in told:
                told.add(names)
                groups.append((domain, value, names))
    return groups


def _folded(value: str) -> str:
    """Two spellings that differ in case or spaces are one name."""
    return " ".join(value.casefold().split())
