"""What a person may take away: only what is really there, with what it would hit."""

from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.drills.cuttable import choices_of, cuts_that_sever
from tests.idle_upstream import IdleUpstream, facts

US = facts("one", law="US", vendor="Vendor One")
EU = facts("two", law="FR", vendor="Vendor Two")
SPELT_OTHERWISE = facts("three", law="us", vendor="vendor one")


def baskets() -> Baskets:
    return Baskets(
        [
            Basket("both", "chat", (IdleUpstream(US), IdleUpstream(EU))),
            Basket("american", "chat", (IdleUpstream(US), IdleUpstream(SPELT_OTHERWISE))),
        ]
    )


def test_a_cut_tells_how_many_it_hits_and_what_it_stops() -> None:
    union, french, american = choices_of(baskets())["Laws"]
    assert (union.cut, union.upstreams, union.stops) == ("law:EU", 1, [])
    assert (french.cut, french.upstreams, french.total, french.stops) == ("law:FR", 1, 3, [])
    assert american.cut.casefold() == "law:us"
    assert (american.upstreams, american.stops) == (2, ["american"])


def test_one_name_in_two_spellings_is_one_choice() -> None:
    assert len(choices_of(baskets())["Vendors"]) == 2


def test_what_nothing_here_has_cannot_be_chosen() -> None:
    found = choices_of(baskets())
    assert set(found) == {"Laws", "Vendors", "Providers"}
    assert choices_of(Baskets()) == {}


def test_the_page_can_tell_beforehand_whom_a_cut_hits() -> None:
    assert {"law:us", "vendor:vendor one", "upstream:one"} <= set(cuts_that_sever(US))
    assert cuts_that_sever(US)[0] == cuts_that_sever(SPELT_OTHERWISE)[0]
