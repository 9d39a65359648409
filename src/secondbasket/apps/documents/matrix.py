"""Vectors of one collection as one matrix, and the nearest of them to another."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Matrix:
    """Rows of unit length, each known by its passage's number. Never changed once made."""

    def __init__(self, numbers: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
        self.row_numbers = numbers
        self.rows = rows

    @classmethod
    def of(cls, vectors: Sequence[tuple[int, bytes]]) -> "Matrix":
        """Of (number, float32 bytes); those of another length than the last are of a model that
        is no longer asked, and are left out."""
        length = len(vectors[-1][1]) if vectors else 0
        vectors = [each for each in vectors if len(each[1]) == length]
        numbers = np.fromiter((number for number, _ in vectors), np.int64, len(vectors))
        blob = b"".join(vector for _, vector in vectors)
        rows = np.frombuffer(blob, "<f4").reshape(len(vectors), length // 4)
        return cls(numbers, rows)

    def __len__(self) -> int:
        return len(self.row_numbers)

    def numbers(self) -> set[int]:
        return set(self.row_numbers.tolist())

    def changed(self, kept: set[int], added: Sequence[tuple[int, bytes]]) -> "Matrix":
        """One of the rows that are `kept`, and those `added`."""
        keep = np.fromiter(
            (number in kept for number in self.row_numbers.tolist()), bool, len(self)
        )
        more = Matrix.of(added)
        if not keep.any() or (added and more.rows.shape[1] != self.rows.shape[1]):
            return more
        if not added:
            return Matrix(self.row_numbers[keep], self.rows[keep])
        return Matrix(
            np.concatenate((self.row_numbers[keep], more.row_numbers)),
            np.concatenate((self.rows[keep], more.rows)),
        )

    def nearest(self, vector: Sequence[float], count: int) -> list[tuple[int, float]]:
        """(number, cosine) of the `count` nearest, best first; [] where the lengths differ."""
        wanted: NDArray[Any] = np.array(vector, np.float32)
        if not len(self) or wanted.shape != self.rows.shape[1:]:
            return []
        wanted /= np.linalg.norm(wanted) or 1.0
        cosines = self.rows @ wanted
        count = min(count, len(self))
        best = np.argpartition(-cosines, count - 1)[:count]
        best = best[np.argsort(-cosines[best], kind="stable")]
        return [(int(self.row_numbers[each]), float(cosines[each])) for each in best]
