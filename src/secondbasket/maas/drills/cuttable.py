"""What can be taken away: every law, vendor, engine … that upstreams here really have."""

from collections.abc import Sequence
from typing import get_args

import msgspec

from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.cuts import Cut, CutKind, names_of
from secondbasket.maas.baskets import Baskets

KINDS: dict[CutKind, str] = {
    "law": "Laws",
    "vendor": "Vendors",
    "operator": "Operators",
    "provider": "Providers",
    "engine": "Engines",
    "location": "Locations",
}


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One cut: how many of the `total` upstreams it hits, and which baskets it leaves nobody."""

    cut: str
    name: str
    upstreams: int
    total: int
    stops: Sequence[str]


def choices_of(baskets: Baskets) -> dict[str, Sequence[Choice]]:
    """The choices under the title of each kind; a kind that nothing here has is left out."""
    known = [each.facts for each in baskets.upstreams().values()]
    found: dict[str, Sequence[Choice]] = {}
    for kind, title in KINDS.items():
        names = {name.casefold(): name for facts in known for name in names_of(kind, facts)}
        choices = [_choice(Cut(kind, names[each]), known, baskets) for each in sorted(names)]
        if choices:
            found[title] = choices
    return found


def cuts_that_sever(facts: UpstreamFacts) -> list[str]:
    """Every cut that takes this upstream away, as the form sends them, in small letters."""
    return [
        str(Cut(kind, name)).casefold()
        for kind in get_args(CutKind)
        for name in names_of(kind, facts)
    ]


def _choice(cut: Cut, known: Sequence[UpstreamFacts], baskets: Baskets) -> Choice:
    return Choice(
        cut=str(cut),
        name=cut.name,
        upstreams=sum(cut.severs(facts) for facts in known),
        total=len(known),
        stops=[
            basket.name
            for basket in baskets
            if basket.upstreams and all(cut.severs(each.facts) for each in basket.upstreams)
        ],
    )
