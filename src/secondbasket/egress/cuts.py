"""Cuts: what a drill takes away, as a network or a court would, at the sockets themselves.

They act here, below everything that chooses who is asked: routing, health and
failover see connections that are reset and nothing else, and neither import
nor read any of this. A cut lives in this process only, as long as the block
that inflicted it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import msgspec

from secondbasket.core.law import laws_over
from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.traffic import Traffic, current_traffic
from secondbasket.errors import InvalidRequest

CutKind = Literal["law", "vendor", "provider", "operator", "location", "engine", "upstream"]

_READ: dict[CutKind, Callable[[UpstreamFacts], tuple[str, ...]]] = {
    "law": lambda facts: laws_over(facts.law),
    "vendor": lambda facts: (facts.vendor,),
    "provider": lambda facts: (facts.provider,),
    "operator": lambda facts: (facts.operator,),
    "location": lambda facts: (facts.location,),
    "engine": lambda facts: (facts.engine_family,),
    "upstream": lambda facts: (facts.name,),
}
_LONGEST_NAME = 200


class Cut(msgspec.Struct, frozen=True):
    """Everything of one kind that has one name; 'law:US' as text."""

    kind: CutKind
    name: str

    @classmethod
    def parse(cls, text: str) -> "Cut":
        """'law:US', 'vendor:NAME', 'upstream:local/MODEL' … Raises InvalidRequest."""
        kind, separator, name = (part.strip() for part in text.partition(":"))
        for known in get_args(CutKind):
            if kind == known and separator and 0 < len(name) <= _LONGEST_NAME:
                return cls(known, name)
        raise InvalidRequest(
            f"{text[:_LONGEST_NAME]!r} says of nothing that it is to be cut.",
            hint=f"Write KIND:NAME; kinds are {', '.join(get_args(CutKind))}.",
            param="cut",
        )

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    def severs(self, facts: UpstreamFacts) -> bool:
        """Whether it takes this upstream away; capitals make no difference."""
        wanted = self.name.casefold()
        return any(name.casefold() == wanted for name in names_of(self.kind, facts))


def names_of(kind: CutKind, facts: UpstreamFacts) -> tuple[str, ...]:
    """What an upstream can be cut by, for one kind; none where that is not known.

    One under the law of a member state is under the law of the Union, too.
    """
    return tuple(name for name in _READ[kind](facts) if name)


class _Inflicted:
    """Some cuts, for as long as one block runs."""

    def __init__(self, cuts: Iterable[Cut], live: bool) -> None:
        self._cuts = tuple(cuts)
        self._live = live

    def severs(self, facts: UpstreamFacts, traffic: Traffic) -> bool:
        return (traffic.canary or self._live) and any(cut.severs(facts) for cut in self._cuts)


class _Line:
    """One connection while a call has it. Equal to itself alone."""

    def __init__(self, facts: UpstreamFacts, traffic: Traffic, reset: Callable[[], None]) -> None:
        self.facts = facts
        self.traffic = traffic
        self.reset = reset


class Cuts:
    """The cuts in force, and every connection that they can sever. All on one event loop."""

    def __init__(self) -> None:
        self._inflicted: list[_Inflicted] = []
        self._lines: set[_Line] = set()

    @contextmanager
    def inflict(self, cuts: Iterable[Cut], *, live: bool = False) -> Iterator[None]:
        """Reset what runs to the upstreams that `cuts` sever, and refuse more, in the block.

        Only a drill's own traffic is cut, unless `live`: then everybody's.
        """
        inflicted = _Inflicted(cuts, live)
        self._inflicted.append(inflicted)
        try:
            for line in tuple(self._lines):
                if inflicted.severs(line.facts, line.traffic):
                    line.reset()
            yield
        finally:
            self._inflicted.remove(inflicted)

    def severed(self, facts: UpstreamFacts) -> bool:
        """Is the way to this upstream cut for what the current task does?"""
        traffic = current_traffic.get()
        return any(each.severs(facts, traffic) for each in self._inflicted)

    def hold(self, facts: UpstreamFacts, reset: Callable[[], None]) -> Callable[[], None]:
        """Have `reset` called should the current task's connection be severed, until what is
        returned is called."""
        line = _Line(facts, current_traffic.get(), reset)
        self._lines.add(line)
        return lambda: self._lines.discard(line)
