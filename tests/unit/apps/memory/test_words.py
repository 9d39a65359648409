"""What counts as the same words."""

import pytest

from secondbasket.apps.memory.words import (
    content,
    denials,
    figures,
    names,
    normal,
    predicate_key,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Größe is 5.00 m", "grosse is 5 M."),
        ("Anna  Berg", "ANNA BERG"),
        ("1,200 crates", "1200 crates!"),
        ("Café", "cafe"),
        ("ＬＥＡＤ time", "lead time"),
    ],
)
def test_spelling_makes_no_difference(one: str, other: str) -> None:
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("5 bar", "6 bar"), ("1.5 m", "15 m"), ("10.5", "1.05"), ("2026-10-01", "2026-10-02")],
)
def test_numbers_stay_apart(one: str, other: str) -> None:
    assert normal(one) != normal(other)
    assert figures(one) != figures(other)


def test_zeros_at_the_end_of_a_whole_number_count() -> None:
    assert normal("100 crates") != normal("1 crates")
    assert normal("10.50") == normal("10.5")


@pytest.mark.parametrize(
    "text", ["has the phone_number", "phone number", "The Phone-Number is", "phone number of"]
)
def test_a_predicate_is_known_without_its_links(text: str) -> None:
    assert predicate_key(text) == "phone number"


def test_a_predicate_of_links_alone_keeps_them() -> None:
    assert predicate_key("is") == "is"
    assert predicate_key("is") != predicate_key("has")


def test_endings_are_no_matter() -> None:
    assert content("The supplier planned deliveries") == content("suppliers planning a delivery")


def test_denials_are_counted() -> None:
    assert denials("It doesn't run without oil") == 2
    assert denials("It runs") == 0


def test_names_are_capitals_where_none_is_due() -> None:
    assert names("Yesterday Anna met Sven. Nobody else came.") == {"anna", "sven"}
