"""Every bound of safetensors, each broken once in an otherwise good file."""

import json
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondbasket.core.model import ModelShape
from secondbasket.errors import BadModelFile
from secondbasket.models.headers.safetensors import read_safetensors

MOST_MEMORY = 64 << 20


def entry(kind: str = "F32", shape: Any = (2, 4), begin: Any = 0, end: Any = 32) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def safetensors(header: object, data: int = 32, *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(data)


def read(content: bytes, tmp_path: Path) -> ModelShape:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    return read_safetensors(path)


GOOD = {
    "__metadata__": {"format": "pt"},
    "model.layers.0.w": entry("BF16", (4, 4), 0, 32),
    "model.layers.1.w": entry("BF16", (4, 4), 32, 64),
    "norm": entry("F32", (), 64, 68),
}


def test_what_it_says(tmp_path: Path) -> None:
    shape = read(safetensors(GOOD, data=68), tmp_path)
    assert shape.parameters == 33
    assert shape.layers == 2
    assert shape.quantisation == "BF16"


A_TENSOR = json.dumps(entry()).encode()
LIES = {
    "header beyond the file": safetensors({"w": entry()}, length=1 << 20),
    "header of 2^63 bytes": safetensors({"w": entry()}, length=1 << 63),
    "header over the limit": safetensors(b" " * (5 << 20)),
    "no JSON": safetensors(b"{nonsense"),
    "no UTF-8": safetensors(b'{"\xff\xfe\xff": 1}'),
    "no object": safetensors([1]),
    "nothing": safetensors({}, data=0),
    "metadata only": safetensors({"__metadata__": {}}, data=0),
    "nested without end": safetensors(b'{"w":' + b"[" * 100_000),
    "a number of many digits": safetensors(b'{"w":' + b"9" * 10_000 + b"}"),
    "a name twice": safetensors(b'{"w":' + A_TENSOR + b',"w":' + A_TENSOR + b"}"),
    "a field twice": safetensors(b'{"w":{"dtype":"F32","dtype":"F16","shape":[8]}}'),
    "a tensor that is a number": safetensors({"w": 1}),
    "a field missing": safetensors({"w": {"dtype": "F32", "shape": [8]}}),
    "three offsets": safetensors({"w": entry() | {"data_offsets": [0, 16, 32]}}),
    "an unknown type": safetensors({"w": entry("PICKLE")}),
    "a negative dimension": safetensors({"w": entry(shape=(-2, -4))}),
    "a dimension that is true": safetensors({"w": entry(shape=(True, 8))}),
    "a dimension of 8.0": safetensors({"w": entry(shape=(8.0,))}),
    "a dimension of 2^64": safetensors({"w": entry(shape=(1 << 64, 0), end=0)}),
    "nine dimensions": safetensors({"w": entry(shape=(1,) * 8 + (8,))}),
    "an overflowing shape": safetensors({"w": entry(shape=(1 << 32, 1 << 32), end=0)}),
    "too few bytes": safetensors({"w": entry(shape=(9,))}),
    "offsets turned round": safetensors({"w": entry(begin=32, end=0)}),
    "offsets below zero": safetensors({"w": entry(begin=-32, end=0)}),
    "a tensor larger than the file": safetensors({"w": entry(shape=(1 << 20,), end=1 << 22)}),
    "a tensor on another": safetensors({"w": entry(), "v": entry()}),
    "a gap before": safetensors({"w": entry(begin=4, end=36)}, data=36),
    "a gap between": safetensors({"w": entry(), "v": entry(begin=36, end=68)}, data=68),
    "something behind": safetensors({"w": entry()}, data=33),
}


def test_the_builder_makes_good_files(tmp_path: Path) -> None:
    assert read(safetensors({"w": entry()}), tmp_path).parameters == 8


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused(lie: str, tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match=r"model\.safetensors"):
        read(LIES[lie], tmp_path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = safetensors(GOOD, data=68)
    for length in range(len(whole)):
        with pytest.raises(BadModelFile):
            read(whole[:length], tmp_path)


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b'{"w":[' + b"[]," * 1_300_000 + b"[]]}", id="lists"),
        pytest.param(b'{"w":[' + b'"ab",' * 390_000 + b'""]}', id="texts"),
        pytest.param(b'{"w":[' + b"{}," * 199_000 + b"{}]}", id="objects"),
        pytest.param(b'{"' + "\U0001f9fa".encode() * 1_000_000 + b'":1}', id="wide characters"),
        pytest.param(
            json.dumps({f"t{n}": entry() for n in range(30_000)}, separators=(",", ":")).encode(),
            id="tensors",
        ),
    ],
)
def test_a_flood_stays_within_the_memory(flood: bytes, tmp_path: Path) -> None:
    path = tmp_path / "flood.safetensors"
    path.write_bytes(safetensors(flood))
    tracemalloc.start()
    with pytest.raises(BadModelFile):
        read_safetensors(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_MEMORY


@pytest.fixture(scope="module")
def mauled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("safetensors") / "mauled.safetensors"


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_good_file_mauled(mauled: Path, data: st.DataObject) -> None:
    content = bytearray(safetensors(GOOD, data=68))
    for _ in range(data.draw(st.integers(1, 4))):
        offset = data.draw(st.integers(0, len(content) - 1))
        content[offset] = data.draw(st.integers(0, 255))
    mauled.write_bytes(content)
    with suppress(BadModelFile):
        read_safetensors(mauled)
