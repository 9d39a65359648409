"""Safetensors: a length, that much JSON about tensors, then their bytes without a gap.

Source: the format section of the safetensors README, whose own reader refuses
the same things (gaps, overlaps, offsets outside the file, oversized headers).
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from secondbasket.core.model import ModelShape
from secondbasket.models.headers.cursor import Cursor

# The limits keep the parsed JSON within some 50 MB whatever is in it: the header's bytes bound
# its text, and its punctuation bounds the objects that come out of it.
_MAX_HEADER_BYTES = 4 << 20
_MAX_PUNCTUATION = 400_000
_MAX_DIMENSIONS = 8

_BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "U16": 16,
    "I16": 16,
    "F16": 16,
    "BF16": 16,
    "U32": 32,
    "I32": 32,
    "F32": 32,
    "U64": 64,
    "I64": 64,
    "F64": 64,
    "C64": 64,
}
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d{1,4})\.")


class _Tensor(NamedTuple):
    name: str
    kind: str
    values: int
    begin: int
    end: int


def looks_like_safetensors(head: bytes, size: int) -> bool:
    """Whether the first bytes are a length that the file has room for, and an object."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8


def read_safetensors(path: Path) -> ModelShape:
    """What the safetensors file `path` says of itself. Raises BadModelFile.

    The format tells tensors only, so that heads, context and architecture stay
    unknown; `layers` is counted from the tensors' names.
    """
    with Cursor(path) as cursor:
        tensors = [
            _read_tensor(cursor, name, entry)
            for name, entry in _read_entries(cursor).items()
            if name != "__metadata__"
        ]
        _check_layout(cursor, tensors)
    layers = {match[1] for tensor in tensors if (match := _LAYER.search(tensor.name))}
    bits = Counter[str]()
    for tensor in tensors:
        bits[tensor.kind] += tensor.values * _BITS[tensor.kind]
    return ModelShape(
        architecture="",
        parameters=sum(tensor.values for tensor in tensors),
        layers=len(layers),
        quantisation=bits.most_common(1)[0][0],
    )


def _read_entries(cursor: Cursor) -> dict[str, Any]:
    length = cursor.u64()
    if length > _MAX_HEADER_BYTES:
        raise cursor.refuse(f"it announces a header of {length} bytes")
    header = cursor.take(length)
    if sum(header.count(mark) for mark in (b"{", b"[", b",", b":")) > _MAX_PUNCTUATION:
        raise cursor.refuse("its header holds more entries than a model has tensors")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) != len(pairs):
            raise cursor.refuse("its header gives a name twice")
        return entries

    try:
        entries = json.loads(header, object_pairs_hook=unique)
    except (ValueError, RecursionError) as exc:
        raise cursor.refuse("its header is not valid JSON") from exc
    if not isinstance(entries, dict):
        raise cursor.refuse("its header is not a JSON object")
    return entries


def _read_tensor(cursor: Cursor, name: str, entry: object) -> _Tensor:
    match entry:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [begin, end]}:
            pass
        case _:
            raise cursor.refuse(f"its entry {name[:80]!r} does not describe a tensor")
    if kind not in _BITS:
        raise cursor.refuse(f"tensor {name[:80]!r} is of the unknown type {kind[:20]!r}")
    if len(shape) > _MAX_DIMENSIONS or not all(_is_count(n) for n in (*shape, begin, end)):
        raise cursor.refuse(f"tensor {name[:80]!r} has an impossible shape or place")
    values = 1
    for dimension in shape:
        values *= dimension
    if values * _BITS[kind] != (end - begin) * 8 or end > cursor.left:
        raise cursor.refuse(f"tensor {name[:80]!r} does not have the bytes its shape needs")
    return _Tensor(name, kind, values, begin, end)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _check_layout(cursor: Cursor, tensors: list[_Tensor]) -> None:
    """The tensors fill the data from its first byte to its last, none upon another."""
    if not tensors:
        raise cursor.refuse("it holds no tensors")
    reached = 0
    for tensor in sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end)):
        if tensor.begin != reached:
            raise cursor.refuse(f"tensor {tensor.name[:80]!r} overlaps another or leaves a gap")
        reached = tensor.end
    if reached != cursor.left:
        raise cursor.refuse(f"{cursor.left - reached} bytes after its tensors belong to none")
