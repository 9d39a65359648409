"""Splits: nothing that belongs together is parted, and the seed decides alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.data_set import DataRow
from secondbasket.errors import InvalidRequest
from secondbasket.models.data.likeness import near_pairs
from secondbasket.models.data.rows import question_of
from secondbasket.models.data.splits import split_rows
from tests.notes import notes, row

_words = st.lists(st.sampled_from("red blue green iron steel gear belt pump".split()), min_size=1)
_rows = st.lists(
    st.builds(
        lambda words, group: row(" ".join(words), "x", group=group), _words, st.integers(0, 9)
    ),
    min_size=2,
    max_size=40,
)


@given(_rows, st.floats(0.05, 0.95), st.integers(0, 5))
def test_no_split_leaks(rows: list[DataRow], share: float, seed: int) -> None:
    try:
        train, held = split_rows(rows, share=share, seed=seed, group="group", time=None)
    except InvalidRequest:
        return
    assert train
    assert held
    assert sorted(train + held) == list(range(len(rows)))
    assert not {rows[at].content["group"] for at in train} & {
        rows[at].content["group"] for at in held
    }
    questions = [question_of(each.content) for each in rows]
    for one, other, _ in near_pairs(questions):
        assert (one in train) == (other in train)
    again = split_rows(rows, share=share, seed=seed, group="group", time=None)
    assert again == (train, held)


def test_about_the_share_is_held_out_and_another_seed_splits_otherwise() -> None:
    rows = notes(200)
    held = [split_rows(rows, share=0.2, seed=seed, group=None, time=None)[1] for seed in (1, 2)]
    assert [len(each) for each in held] == [40, 40]
    assert held[0] != held[1]


def test_by_time_the_latest_are_held_out() -> None:
    train, held = split_rows(notes(50), share=0.2, seed=1, group=None, time="day")
    assert (max(train), min(held)) == (39, 40)


def test_what_cannot_be_split_says_so() -> None:
    with pytest.raises(InvalidRequest, match="10 rows have no 'plant', the first at line 1"):
        split_rows(notes(10), share=0.2, seed=1, group="plant", time=None)
    with pytest.raises(InvalidRequest, match="All rows belong together"):
        split_rows([row("a b c d", "x")] * 5, share=0.2, seed=1, group=None, time=None)
