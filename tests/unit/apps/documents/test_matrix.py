"""The nearest of many vectors."""

import math

import pytest

from secondbasket.apps.documents.embedding import packed
from secondbasket.apps.documents.matrix import Matrix

ROWS = [(number, packed([math.cos(number), math.sin(number)])) for number in range(1, 6)]


def test_the_nearest_come_first() -> None:
    found = Matrix.of(ROWS).nearest([math.cos(3.1), math.sin(3.1)], 3)
    assert [number for number, _ in found] == [3, 4, 2]
    assert found[0][1] == pytest.approx(math.cos(0.1), abs=1e-6)


def test_length_does_not_count() -> None:
    matrix = Matrix.of([(1, packed([3.0, 0.0])), (2, packed([0.1, 0.1]))])
    [(number, cosine)] = matrix.nearest([0.0, 50.0], 1)
    assert number == 2
    assert cosine == pytest.approx(math.sqrt(0.5))


def test_another_model_has_no_neighbours_here() -> None:
    assert Matrix.of(ROWS).nearest([1.0, 0.0, 0.0], 3) == []
    assert Matrix.of([]).nearest([1.0], 3) == []
    mixed = Matrix.of([(1, packed([1.0, 0.0, 0.0])), *ROWS])
    assert mixed.numbers() == {1, 2, 3, 4, 5}


def test_rows_come_and_go() -> None:
    matrix = Matrix.of(ROWS)
    changed = matrix.changed({1, 2, 9}, [(9, packed([-1.0, 0.0]))])
    assert changed.numbers() == {1, 2, 9}
    assert changed.nearest([-1.0, 0.0], 1)[0][0] == 9
    assert matrix.numbers() == {1, 2, 3, 4, 5}
    assert matrix.changed({1, 2}, []).numbers() == {1, 2}
    assert matrix.changed(set(), []).nearest([1.0, 0.0], 1) == []
