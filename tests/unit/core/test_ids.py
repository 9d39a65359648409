"""Identifiers sort as they were made, whatever the clock does, and cannot be guessed."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from secondbasket.core.ids import new_id


def test_ids_of_one_process_sort_in_the_order_they_were_made_in() -> None:
    made = [new_id("dec") for _ in range(20_000)]
    assert made == sorted(set(made))


def test_they_do_when_the_clock_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_id("dec")
    monkeypatch.setattr(time, "time", lambda: 1_000_000_000.0)
    assert new_id("dec") > before


def test_no_two_threads_get_the_same() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: new_id("req"), range(10_000)))
    assert len(set(made)) == len(made)


def test_the_next_one_cannot_be_told_from_the_last() -> None:
    first, second, third = (new_id("req")[4:] for _ in range(3))
    assert len({first[-8:], second[-8:], third[-8:]}) == 3
