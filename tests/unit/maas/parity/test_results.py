"""The interval of a share: known values, and what holds of every one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.maas.parity.results import wilson


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [
        # Published values, to four places.
        (0, 10, 0.0, 0.2775),
        (1, 10, 0.0179, 0.4042),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (15, 22, 0.4732, 0.8364),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_known_intervals(passed: int, total: int, low: float, high: float) -> None:
    assert wilson(passed, total) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_lies_in_0_to_1_and_narrows_with_more(
    counts: tuple[int, int],
) -> None:
    passed, total = counts
    low, high = wilson(passed, total)
    assert 0 <= low <= passed / total <= high <= 1
    more_low, more_high = wilson(passed * 10, total * 10)
    assert more_high - more_low < high - low
