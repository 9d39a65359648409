"""How fast the processor reads memory, which is what bounds the decoding of tokens.

After STREAM (McCalpin): an array larger than the caches, each thread on pages
it touched first itself, the first pass thrown away. STREAM then reports its
best pass; we take the median, which is what an engine gets beside other work.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Four times the caches of common processors. Where they are larger still, as on big servers, the
# figure is partly the cache's, and so would a model of this size be.
_ARRAY_BYTES = 256 << 20
_SHARE_OF_FREE = 4
_PASSES = 9
_SECONDS = 0.4


def read_bandwidth(*, threads: int, memory_free: int) -> int:
    """Bytes a second that `threads` threads read together, measured in under a second.

    Takes at most a quarter of `memory_free` for its array. Sums of 64-bit
    integers read faster than memory delivers, and numpy lets go of the
    interpreter meanwhile.
    """
    length = min(_ARRAY_BYTES, memory_free // _SHARE_OF_FREE) // 8 // threads

    def first_touch(_: int) -> NDArray[np.int64]:
        return np.ones(length, dtype=np.int64)

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(first_touch, range(threads)))
        total = sum(part.nbytes for part in parts)
        times = _timed(lambda: list(pool.map(np.sum, parts)))
    return int(total / median(times))


def _timed(one_pass: Callable[[], Any]) -> list[float]:
    """Seconds of each pass after the first, as many as the time allows, at least one."""
    one_pass()
    times: list[float] = []
    deadline = time.perf_counter() + _SECONDS
    while not times or (len(times) < _PASSES and time.perf_counter() < deadline):
        start = time.perf_counter()
        one_pass()
        times.append(time.perf_counter() - start)
    return times
