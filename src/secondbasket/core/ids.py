"""Identifiers: time-ordered, unguessable, readable aloud."""

import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32


def _base32(value: int, width: int) -> str:
    digits = []
    for _ in range(width):
        value, rest = divmod(value, 32)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))


def new_id(kind: str) -> str:
    """`new_id("req")` → ``req_01k…``: 48 bits of milliseconds, then 80 random bits (a ULID)."""
    stamp = int(time.time() * 1000) & ((1 << 48) - 1)
    return f"{kind}_{_base32(stamp << 80 | int.from_bytes(os.urandom(10)), 26)}"
