"""Which upstreams data of a class may reach: rules over what is known of each. Pure.

Every rule that names a class binds its data; all of them must agree. What is
not known of an upstream matches no list. A class that no rule names is bound
by the built-in one: confidential and secret data stays on the operator's own
machines, public and internal data may go wherever a basket leads.
"""

from collections.abc import Iterable, Sequence

import msgspec

from secondbasket.core.data_class import DataClass
from secondbasket.core.ports import UpstreamFacts
from secondbasket.policy.verdict import Verdict

OWN_MACHINES = "local"
"""The provider of our own engines; the settings let nobody else have that name."""

_FACTS = ("law", "vendor", "operator", "location", "provider")
_AT_HOME = frozenset((DataClass.CONFIDENTIAL, DataClass.SECRET))


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What an upstream must be to see data of `classes`; None asks nothing of that fact.

    An empty list is met by no upstream.
    """

    name: str
    classes: frozenset[DataClass]
    law: tuple[str, ...] | None = None
    vendor: tuple[str, ...] | None = None
    operator: tuple[str, ...] | None = None
    location: tuple[str, ...] | None = None
    provider: tuple[str, ...] | None = None

    def objection(self, facts: UpstreamFacts) -> str | None:
        """What it has against an upstream, in words; None where nothing."""
        for fact in _FACTS:
            allowed: tuple[str, ...] | None = getattr(self, fact)
            if allowed is None:
                continue
            value: str = getattr(facts, fact)
            listed = ", ".join(allowed) or "none"
            if not value.strip():
                return f"rule '{self.name}': its {fact} is not known; allowed: {listed}"
            if _plain(value) not in map(_plain, allowed):
                return f"rule '{self.name}': {fact} {value} is not among {listed}"
        return None


class Rules:
    """All rules in force. Verdicts are remembered: upstreams are few, calls are many."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = tuple(rules)
        self._verdicts: dict[tuple[DataClass | str, ...], Verdict] = {}

    def judge(self, data_class: DataClass, facts: UpstreamFacts) -> Verdict:
        """May an upstream see data of this class, and which rule says so?"""
        known = (
            *(data_class, facts.law, facts.vendor, facts.operator, facts.location),
            *(facts.provider, facts.host),
        )
        verdict = self._verdicts.get(known)
        if verdict is None:
            verdict = self._verdicts[known] = _judge(self._rules, data_class, facts)
        return verdict


def _judge(rules: Sequence[Rule], data_class: DataClass, facts: UpstreamFacts) -> Verdict:
    binding = [rule for rule in rules if data_class in rule.classes]
    if not binding:
        return _built_in(data_class, facts)
    objections = [said for rule in binding if (said := rule.objection(facts)) is not None]
    if objections:
        return Verdict(False, "; ".join(objections))
    return Verdict(True, "; ".join(f"rule '{rule.name}'" for rule in binding))


def _built_in(data_class: DataClass, facts: UpstreamFacts) -> Verdict:
    if data_class not in _AT_HOME:
        return Verdict(True, f"built-in rule: {data_class.label} data may go anywhere configured")
    at_home = facts.provider == OWN_MACHINES and not facts.host
    return Verdict(
        at_home, f"built-in rule: {data_class.label} data stays on the operator's own machines"
    )


def _plain(text: str) -> str:
    return text.strip().casefold()
