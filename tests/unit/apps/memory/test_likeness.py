"""When two texts say the same: words have a veto, whatever the vectors say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.apps.memory.likeness import ALIKE, say_the_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The limit is 5 bar", "The limit is 6 bar"),
        ("Press 3 may run at night", "Press 3 may not run at night"),
        ("Orders go to Anna first", "Orders go to Sven first"),
        ("Anna prefers short reports", "Anna prefers long reports"),
        ("Reports go out on Monday", "Reports go out on Friday"),
    ],
)
def test_one_word_makes_another_thing_of_it(one: str, other: str) -> None:
    assert not say_the_same(one, other, 0.99)
    assert not say_the_same(other, one, 0.99)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Order 17 at Elbe was cancelled because the drawings were outdated.",
            "Because of outdated drawings, order 17 at Elbe was cancelled.",
        ),
        ("Anna wants a table of at most 9 rows", "A table for Anna should have 9 rows at most"),
    ],
)
def test_near_meanings_with_the_same_marks_are_one(one: str, other: str) -> None:
    assert say_the_same(one, other, ALIKE)
    assert not say_the_same(one, other, ALIKE - 0.01)
    assert not say_the_same(one, other, None)


@given(st.text(max_size=60), st.text(max_size=60), st.floats(-1, 1))
def test_it_is_symmetrical(one: str, other: str, cosine: float) -> None:
    assert say_the_same(one, other, cosine) == say_the_same(other, one, cosine)


@given(st.text(min_size=1, max_size=60))
def test_a_text_says_what_it_says(text: str) -> None:
    assert say_the_same(text, text, None)
