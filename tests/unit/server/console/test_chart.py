"""The geometry of the charts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.receipt import Hop, Outcome
from secondbasket.server.console.chart import Point, columns, round_above, short, stack, timeline

COUNTS = st.integers(0, 10**15)


@given(COUNTS)
def test_the_top_of_the_scale_is_near_and_never_below(number: int) -> None:
    top = round_above(number)
    assert top >= max(number, 4)
    assert top <= max(2 * number, 4)
    assert top % 4 == 0


@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=200))
def test_columns_stay_inside_and_stand_on_each_other(
    given_and_written: list[tuple[int, int]],
) -> None:
    chart = columns([Point("n", "l", *pair) for pair in given_and_written])
    assert len(chart.columns) == len(given_and_written)
    assert sum(bool(column.label) for column in chart.columns) <= 8
    edge = chart.left
    for column in chart.columns:
        assert column.x >= edge - 1
        edge = column.x + column.width
        assert edge <= chart.right + 1
        assert column.output_y >= 0
        assert column.output_y + column.output_height == pytest.approx(column.input_y, abs=0.02)
        assert column.input_y + column.input_height == pytest.approx(chart.base, abs=0.02)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (12_000, "12k"), (3_500_000, "3.5M"), (10**9, "1G")],
)
def test_short_numbers(number: int, text: str) -> None:
    assert short(number) == text


def test_a_bar_of_parts() -> None:
    first, second = stack({"weights": 1, "cache": 2}, whole=4)
    assert (first.x, first.width) == (0, 25)
    assert (second.x, second.width) == (25, 50)
    assert stack({"used": 0}, whole=0)[0].width == 0


def hop(started: float, duration: float, outcome: Outcome = "completed") -> Hop:
    return Hop(
        upstream="u",
        decision="first by priority",
        provider="p",
        law="US",
        model="m",
        outcome=outcome,
        started_ms=started,
        duration_ms=duration,
    )


def test_hops_lie_where_they_were_in_their_requests_time() -> None:
    hops = [hop(0, 50, "upstream_failed"), hop(50, 150)]
    (_, [broken]), (_, [rest]) = timeline(hops, whole=200)
    assert (broken.name, broken.x, broken.width) == ("upstream_failed", 0, 25)
    assert (rest.name, rest.x, rest.width) == ("completed", 25, 75)


def test_a_hop_that_ended_at_once_can_still_be_seen() -> None:
    (_, [refused]), _ = timeline([hop(0, 0, "upstream_failed"), hop(0, 5000)], whole=5000)
    assert refused.width == 0.5
    (_, [alone]) = timeline([hop(0, 0)], whole=0)[0]
    assert (alone.x, alone.width) == (0, 0.5)
