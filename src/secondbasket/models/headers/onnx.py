"""ONNX: a protobuf message, walked here by its wire format without loading its weights.

Source: onnx.proto of the ONNX project and protobuf's encoding page. Every
length is held against the message around it. Tensors that point to other files
are refused: a model must not make its engine open paths.
"""

from collections import Counter
from pathlib import Path

from secondbasket.core.model import ModelShape
from secondbasket.models.headers.cursor import Cursor

# message → {field number: message inside}; what is not named here is passed over by its length
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse tensor",
        23: "sparse tensor",
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_MAX_DEPTH = 32
_MAX_FIELDS = 2_000_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DIMS, _DATA_TYPE, _RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 9, 13, 14
_GRAPH = 7

# data type number → (name, bits of a value)
_DATA_TYPES: dict[int, tuple[str, int]] = {
    1: ("FLOAT", 32),
    2: ("UINT8", 8),
    3: ("INT8", 8),
    4: ("UINT16", 16),
    5: ("INT16", 16),
    6: ("INT32", 32),
    7: ("INT64", 64),
    8: ("STRING", 8),
    9: ("BOOL", 8),
    10: ("FLOAT16", 16),
    11: ("DOUBLE", 64),
    12: ("UINT32", 32),
    13: ("UINT64", 64),
    14: ("COMPLEX64", 64),
    15: ("COMPLEX128", 128),
    16: ("BFLOAT16", 16),
    17: ("FLOAT8E4M3FN", 8),
    18: ("FLOAT8E4M3FNUZ", 8),
    19: ("FLOAT8E5M2", 8),
    20: ("FLOAT8E5M2FNUZ", 8),
    21: ("UINT4", 4),
    22: ("INT4", 4),
    23: ("FLOAT4E2M1", 4),
    24: ("FLOAT8E8M0", 8),
}


def looks_like_onnx(head: bytes) -> bool:
    """Whether a ModelProto begins here: its `ir_version`, a small number, and another field."""
    return len(head) > 2 and head[0] == 0x08 and 1 <= head[1] <= 64 and head[2] >> 3 > 0


def read_onnx(path: Path) -> ModelShape:
    """What the ONNX file `path` holds. Raises BadModelFile.

    The format knows tensors and operations, not attention heads or context;
    those counts stay 0.
    """
    with Cursor(path) as cursor:
        walk = _Walk(cursor)
        walk.message("model", cursor.size, depth=0)
    if not walk.graphs:
        raise cursor.refuse("it holds no graph")
    return ModelShape(
        architecture="onnx",
        parameters=walk.parameters,
        quantisation=walk.bits.most_common(1)[0][0] if walk.bits else "",
    )


class _Walk:
    """Passes over a message field by field and adds up the tensors it meets."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._fields = 0
        self.graphs = 0
        self.parameters = 0
        self.bits = Counter[str]()

    def message(self, kind: str, end: int, *, depth: int) -> None:
        cursor = self._cursor
        if depth > _MAX_DEPTH:
            raise cursor.refuse(f"its messages are nested more than {_MAX_DEPTH} deep")
        if kind == "tensor":
            self._tensor(end)
            return
        while cursor.position < end:
            field, wire = self._tag(end)
            length = self._length(wire, end)
            if wire == _BYTES and (inside := _MESSAGES[kind].get(field)):
                self.graphs += inside == "graph"
                self.message(inside, cursor.position + length, depth=depth + 1)
            else:
                cursor.skip(length)

    def _tensor(self, end: int) -> None:
        cursor = self._cursor
        values, data_type, raw, listed = 1, 0, None, 0
        while cursor.position < end:
            field, wire = self._tag(end)
            if field == _DIMS and wire == _VARINT:
                values = self._times(values, end)
            elif field == _DIMS and wire == _BYTES:
                packed = self._length(wire, end) + cursor.position
                while cursor.position < packed:
                    values = self._times(values, packed)
            elif field == _DATA_TYPE and wire == _VARINT:
                data_type = self._varint(end)
            elif field == _DATA_LOCATION and wire == _VARINT and self._varint(end) == 0:
                continue
            elif field in (_EXTERNAL_DATA, _DATA_LOCATION):
                raise cursor.refuse("its weights lie in other files, which it names by path")
            else:
                before = cursor.position
                length = self._length(wire, end)
                cursor.skip(length)
                raw = length if field == _RAW_DATA else raw
                listed += cursor.position - before
        self._add(values, data_type, raw, listed)

    def _times(self, values: int, end: int) -> int:
        values *= self._varint(end)
        if values >= 1 << 63:
            raise self._cursor.refuse("a tensor in it has an impossible shape")
        return values

    def _add(self, values: int, data_type: int, raw: int | None, listed: int) -> None:
        if data_type not in _DATA_TYPES and (raw is not None or values > 1):
            raise self._cursor.refuse(f"a tensor in it is of the unknown type {data_type}")
        name, bits = _DATA_TYPES.get(data_type, ("", 0))
        if raw is None:
            # Listed one by one instead, at the closest two to a byte.
            if values > 2 * listed + 1:
                raise self._cursor.refuse(f"a tensor of {values} values has {listed} bytes of data")
            return
        if raw != -(-values * bits // 8):
            raise self._cursor.refuse(
                f"a tensor of {values} values in {name} has {raw} bytes of data"
            )
        self.parameters += values
        self.bits[name] += values * bits

    def _tag(self, end: int) -> tuple[int, int]:
        self._fields += 1
        if self._fields > _MAX_FIELDS:
            raise self._cursor.refuse(f"it holds more than {_MAX_FIELDS} fields")
        tag = self._varint(end)
        field, wire = tag >> 3, tag & 7
        if field == 0:
            raise self._cursor.refuse("it is not a valid protobuf message")
        return field, wire

    def _length(self, wire: int, end: int) -> int:
        """Bytes of the field that follows, all of them inside the message."""
        cursor = self._cursor
        if wire == _VARINT:
            self._varint(end)
            return 0
        if wire == _BYTES:
            length = self._varint(end)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise cursor.refuse("it is not a valid protobuf message")
        if length > end - cursor.position:
            raise cursor.refuse(
                f"at byte {cursor.position} a field of {length} bytes leaves its message"
            )
        return length

    def _varint(self, end: int) -> int:
        value = 0
        for shift in range(0, 70, 7):
            if self._cursor.position >= end:
                break
            byte = self._cursor.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise self._cursor.refuse("a number in it does not end")
