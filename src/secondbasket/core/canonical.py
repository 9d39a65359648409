"""One sequence of bytes for one JSON value, so that it can be hashed and signed: RFC 8785.

Members stand in the order of their names (as UTF-16), nothing stands between
the tokens, strings are UTF-8 and escape only what they must, fractions are
written as ECMAScript writes them. The one difference: an integer of any size
is written out in full, where RFC 8785 knows none beyond 2^53.
"""

import math
import re
from decimal import Decimal
from typing import Any

import msgspec

# ECMAScript's Number::toString writes an exponent outside of these.
_SMALLEST_PLAIN = 1e-6
_LARGEST_PLAIN = 1e21
_encoder = msgspec.json.Encoder()


def canonical(value: Any) -> bytes:
    """The canonical bytes of dicts with text names, lists, Structs, text, numbers, booleans, None.

    Raises ValueError for what JSON cannot hold: a number that is none or
    infinite, text with half a surrogate pair.
    """
    return _encoder.encode(_ordered(msgspec.to_builtins(value)))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value, key=_utf16)}
    if isinstance(value, list | tuple):
        return [_ordered(each) for each in value]
    return msgspec.Raw(fraction(value).encode()) if isinstance(value, float) else value


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


def fraction(number: float) -> str:
    """The shortest digits that read back as `number`, in ECMAScript's form. Raises ValueError."""
    if not math.isfinite(number):
        raise ValueError(f"JSON cannot hold {number}")
    if number == 0:
        return "0"
    if not _SMALLEST_PLAIN <= abs(number) < _LARGEST_PLAIN:
        return re.sub(r"e([+-])0*", r"e\1", repr(number))
    written = f"{Decimal(repr(number)):f}"
    return written.removesuffix(".0")
