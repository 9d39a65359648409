"""The bounds of ONNX, on hand-made protobuf messages and on the real model."""

import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondbasket.core.model import ModelShape
from secondbasket.errors import BadModelFile
from secondbasket.models.headers.onnx import read_onnx
from tests.conftest import Weights

INT8, FLOAT, INT4 = 3, 1, 22
MINILM_HEAD = 600_000


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, rest = value >> 7, value & 0x7F
        out.append(rest | (0x80 if value else 0))
        if not value:
            return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, *parts: bytes, length: int | None = None) -> bytes:
    inside = b"".join(parts)
    return varint(field << 3 | 2) + varint(len(inside) if length is None else length) + inside


def model(*graph: bytes) -> bytes:
    return number(1, 8) + message(7, *graph)


def weights_of(*dims: int, kind: int = INT8, raw: int = 8) -> bytes:
    """An initializer of the graph."""
    return message(5, *(number(1, n) for n in dims), number(2, kind), message(9, bytes(raw)))


def read(content: bytes, tmp_path: Path) -> ModelShape:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    return read_onnx(path)


def test_what_the_real_file_says(weights: Weights) -> None:
    shape = read_onnx(weights.embedding)
    assert shape.architecture == "onnx"
    assert shape.parameters == 22_617_680
    assert shape.quantisation == "INT8"
    assert shape.kv_bytes_per_token() == 0


def test_tensors_are_counted_wherever_they_are(tmp_path: Path) -> None:
    attribute = message(5, message(5, number(1, 2), number(2, FLOAT), message(9, bytes(8))))
    content = model(
        weights_of(2, 4),
        message(5, message(1, varint(2) + varint(4)), number(2, INT8), message(9, bytes(8))),
        weights_of(3, kind=INT4, raw=2),
        message(5, number(1, 3), number(2, 7), message(7, b"\1\2\3")),  # listed, not raw
        message(1, attribute),
    )
    shape = read(content, tmp_path)
    assert shape.parameters == 8 + 8 + 3 + 2
    assert shape.quantisation == "INT8"


NESTED = message(5, message(6, b""))
for _ in range(40):
    NESTED = message(5, message(6, message(1, NESTED)))

LIES = {
    "nothing": b"",
    "no graph": number(1, 8),
    "a graph longer than the file": number(1, 8) + message(7, length=1 << 40),
    "a tensor longer than its graph": model(message(5, length=100)) + bytes(200),
    "raw data longer than its tensor": model(message(5, number(1, 8), message(9, length=1 << 30))),
    "a tensor larger than its data": model(weights_of(1 << 40)),
    "a tensor smaller than its data": model(weights_of(7)),
    "an overflowing shape": model(weights_of(1 << 32, 1 << 32, raw=0)),
    "values that are not there": model(message(5, number(1, 1 << 40), number(2, FLOAT))),
    "an unknown type": model(weights_of(8, kind=99)),
    "a type left out": model(message(5, number(1, 8), message(9, bytes(8)))),
    "data in another file": model(
        message(5, number(1, 8), number(2, INT8), message(13, b"/etc/passwd"))
    ),
    "data said to be elsewhere": model(message(5, number(1, 8), number(2, INT8), number(14, 1))),
    "data in another file, in a node": model(
        message(1, message(5, message(5, message(13, b"../../secret"))))
    ),
    "data in another file, sparse": model(message(15, message(1, message(13, b"x")))),
    "data in another file, in a function": number(1, 8)
    + message(7)
    + message(25, message(7, message(5, message(5, message(13, b"x"))))),
    "field number 0": model(b"\2\0"),
    "a group": model(b"\x0b\x0c"),
    "a number without end": model(b"\x08" + b"\xff" * 11),
    "nested forty deep": model(message(1, NESTED)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused(lie: str, tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match=r"model\.onnx"):
        read(LIES[lie], tmp_path)


@pytest.fixture(scope="module")
def mauled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx") / "mauled.onnx"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    wounds=st.lists(
        st.tuples(st.integers(0, MINILM_HEAD), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=4,
    ),
    cut=st.one_of(st.none(), st.integers(0, MINILM_HEAD)),
)
def test_the_real_file_mauled(
    weights: Weights, mauled: Path, wounds: list[tuple[int, bytes]], cut: int | None
) -> None:
    with weights.embedding.open("rb") as real:
        head = bytearray(real.read(MINILM_HEAD))
    for offset, bytes_there in wounds:
        head[offset : offset + len(bytes_there)] = bytes_there
    with mauled.open("wb") as file:
        file.write(head if cut is None else head[:cut])
        if cut is None:
            file.truncate(weights.embedding.stat().st_size)
    tracemalloc.start()
    with suppress(BadModelFile):
        read_onnx(mauled)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
