"""Which texts are nearly the same: MinHash over shingles of words, and the true overlap of those
that it brings together. Linear in the texts but for buckets, which are bounded."""

import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

_WORD = re.compile(r"\w+")
_SHINGLE_WORDS = 3
_BANDS, _ROWS = 20, 5
_PRIME = np.uint64((1 << 31) - 1)
# A bucket of thousands is one text many times over: each is compared with the next few.
_NEIGHBOURS = 8
NEAR = 0.8
"""The least overlap (Jaccard) of two texts' shingles that makes them near duplicates."""

_drawn = np.random.default_rng(20_250_101)
_FACTORS = _drawn.integers(1, int(_PRIME), _BANDS * _ROWS, dtype=np.uint64)
_SHIFTS = _drawn.integers(0, int(_PRIME), _BANDS * _ROWS, dtype=np.uint64)


def shingles(text: str) -> frozenset[int]:
    """The runs of three words, as numbers; of a shorter text, its words."""
    words = _WORD.findall(text.casefold())
    if len(words) < _SHINGLE_WORDS:
        return frozenset(zlib.crc32(each.encode()) for each in words)
    runs = zip(*(words[start:] for start in range(_SHINGLE_WORDS)), strict=False)
    return frozenset(zlib.crc32(" ".join(each).encode()) for each in runs)


def overlap(one: frozenset[int], other: frozenset[int]) -> float:
    """The share of all their shingles that both have: 1.0 for the same."""
    together = len(one | other)
    return len(one & other) / together if together else 1.0


def near_pairs(texts: Sequence[str], *, least: float = NEAR) -> Iterator[tuple[int, int, float]]:
    """(earlier, later, overlap) of texts with at least this overlap, each pair once.

    Misses one pair in three thousand at an overlap of 0.8, and more of those that are less alike.
    """
    sets = [shingles(text) for text in texts]
    buckets: dict[tuple[int, bytes], list[int]] = {}
    seen: set[tuple[int, int]] = set()
    for index, each in enumerate(sets):
        if not each:
            continue
        signature = _signature(each)
        for band in range(_BANDS):
            key = (band, signature[band * _ROWS : (band + 1) * _ROWS].tobytes())
            bucket = buckets.setdefault(key, [])
            for other in bucket[-_NEIGHBOURS:]:
                if (other, index) in seen:
                    continue
                seen.add((other, index))
                share = overlap(sets[other], each)
                if share >= least:
                    yield other, index, share
            bucket.append(index)


def _signature(each: frozenset[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    # Below 2^31 each, so that the product of two stays within 64 bits.
    numbers = np.fromiter(each, dtype=np.uint64, count=len(each)) % _PRIME
    hashes = (numbers[:, None] * _FACTORS + _SHIFTS) % _PRIME
    lowest: np.ndarray[tuple[int], np.dtype[np.uint64]] = hashes.min(axis=0)
    return lowest
