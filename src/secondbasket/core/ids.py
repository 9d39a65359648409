"""Identifiers: time-ordered, unguessable, readable aloud."""

import os
import threading
import time

_RANDOM_BITS = 80
_STEP_BYTES = 8  # unguessable still, and 65,000 steps in a millisecond stay in the random part
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32


def _base32(value: int, width: int) -> str:
    digits = []
    for _ in range(width):
        value, rest = divmod(value, 32)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))


class _Clock:
    """The numbers behind ids: each larger than the last, also within one millisecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        stamp = int(time.time() * 1000) & ((1 << 48) - 1)
        drawn = stamp << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8))
        with self._lock:
            if drawn <= self._last:  # the same millisecond, or a clock that was put back
                drawn = self._last + 1 + int.from_bytes(os.urandom(_STEP_BYTES))
            self._last = drawn
        return drawn


_clock = _Clock()


def new_id(kind: str) -> str:
    """`new_id("req")` → ``req_01k…``: 48 bits of milliseconds, then 80 random bits (a ULID).

    Ids of one process sort in the order they were made in.
    """
    return f"{kind}_{_base32(_clock.next(), 26)}"
