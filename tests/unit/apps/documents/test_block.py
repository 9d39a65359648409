"""Texts become passages that lose nothing."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from secondbasket.apps.documents.block import MOST_LETTERS, Block, passages, tidy
from secondbasket.apps.documents.words import words_of


def test_a_short_text_is_one_passage() -> None:
    [found] = passages(Block("page 1", "  Two   words.\r\n\x00\n\n\nMore. ", "A > B"))
    assert (found.place, found.heading) == ("page 1", "A > B")
    assert found.text == "Two words.\n\nMore."


def test_nothing_is_no_passage() -> None:
    assert list(passages(Block("page 1", " \n\x00\n"))) == []


def test_a_long_text_says_which_part_is_which() -> None:
    text = " ".join(f"This is sentence number {number}." for number in range(100))
    found = list(passages(Block("page 1", text)))
    assert [each.place for each in found] == [
        f"page 1, part {number} of {len(found)}" for number in range(1, len(found) + 1)
    ]
    for one, other in pairwise(found):
        assert one.text.endswith(".")
        assert other.text.split(".")[0] in one.text, "neighbours share a sentence"


@given(st.text(max_size=5000))
def test_every_word_is_in_some_passage(text: str) -> None:
    found = list(passages(Block("", text)))
    assert all(0 < len(each.text) <= MOST_LETTERS for each in found)
    whole = "".join("".join(each.text.split()) for each in found)
    assert len(whole) >= len("".join(tidy(text).split()))


def test_words_that_say_something() -> None:
    assert words_of("What is the price of the green screw?") == ["price", "green", "screw"]
    assert words_of("To be or not to be") == ["to", "be", "or", "not"]
    assert words_of('"; DROP TABLE passages; -- NEAR(a b)') == [
        "drop",
        "table",
        "passages",
        "near",
        "b",
    ]
    assert words_of("?!") == []
    assert len(words_of(" ".join(f"w{number}" for number in range(100)))) == 32
