"""GGUF, the file format of llama.cpp: magic, counts, metadata, tensor list, padding, data.

Source: the GGUF specification in ggml's docs/gguf.md. Where llama.cpp is
stricter than the text (tensor names, nesting, alignment), so is this.
"""

import struct
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from secondbasket.core.model import ModelShape
from secondbasket.errors import BadModelFile
from secondbasket.models.headers.cursor import Cursor
from secondbasket.models.headers.ggml import FILE_TYPES, TENSOR_TYPES

# At least twice what the largest published models need, mostly ten times.
_MAX_HEADER_BYTES = 32 << 20
_MAX_KEYS = 1024
_MAX_KEY_BYTES = 1024
_MAX_STRING_BYTES = 1 << 20
_MAX_TENSORS = 16_384
_MAX_TENSOR_NAME_BYTES = 63
_MAX_DIMENSIONS = 4
_MAX_LAYERS = 512
_MAX_ALIGNMENT = 1 << 16
_MAX_COUNT = (1 << 31) - 1

_BOOL, _STRING, _ARRAY = 7, 8, 9
_NUMBERS = {
    kind: struct.Struct(f"<{code}")
    for kind, code in zip((0, 1, 2, 3, 4, 5, 6, _BOOL, 10, 11, 12), "BbHhIif?Qqd", strict=True)
}
_KEPT_STRINGS = {"general.architecture", "tokenizer.chat_template"}

_PerLayer = tuple[int | float, ...]
_Value = int | float | str | _PerLayer


class _Metadata(NamedTuple):
    """`values` without the long arrays, `lengths` of all arrays, both by key."""

    values: dict[str, _Value]
    lengths: dict[str, int]


class _Tensor(NamedTuple):
    kind: str
    values: int
    offset: int
    size: int


def read_gguf(path: Path) -> ModelShape:
    """What the GGUF file `path` says of itself. Raises BadModelFile."""
    with Cursor(path) as cursor:
        cursor.limit(_MAX_HEADER_BYTES)
        tensor_count, key_count = _read_preamble(cursor)
        metadata = _read_metadata(cursor, key_count)
        tensors = _read_tensors(cursor, tensor_count)
        _check_layout(cursor, metadata.values.get("general.alignment", 32), tensors)
        _check_tokenizer(cursor, metadata.lengths)
        return _shape(cursor, metadata, tensors)


def _read_preamble(cursor: Cursor) -> tuple[int, int]:
    if cursor.take(4) != b"GGUF":
        raise cursor.refuse("it does not begin with GGUF")
    version = cursor.u32()
    if version not in (2, 3):
        raise cursor.refuse(f"its GGUF version {version} is not 2 or 3 in little-endian order")
    tensor_count, key_count = cursor.u64(), cursor.u64()
    if not 1 <= tensor_count <= _MAX_TENSORS:
        raise cursor.refuse(f"it announces {tensor_count} tensors")
    if key_count > _MAX_KEYS:
        raise cursor.refuse(f"it announces {key_count} metadata keys")
    return tensor_count, key_count


def _read_text(cursor: Cursor, longest: int) -> str:
    length = cursor.u64()
    if length > longest:
        raise cursor.refuse(f"it holds a string of {length} bytes, {longest} are allowed there")
    try:
        return cursor.take(length).decode()
    except UnicodeDecodeError as exc:
        raise cursor.refuse("a name or text in it is not UTF-8") from exc


def _read_metadata(cursor: Cursor, count: int) -> _Metadata:
    metadata = _Metadata({}, {})
    seen = set()
    for _ in range(count):
        key = _read_text(cursor, _MAX_KEY_BYTES)
        if not key or key in seen:
            raise cursor.refuse(f"its metadata key {key!r} is empty or given twice")
        seen.add(key)
        kind = cursor.u32()
        if kind == _ARRAY:
            _read_array(cursor, key, metadata)
        elif kind == _STRING and key in _KEPT_STRINGS:
            metadata.values[key] = _read_text(cursor, _MAX_STRING_BYTES)
        elif kind == _STRING:
            cursor.skip_strings(1, _MAX_STRING_BYTES)
        else:
            metadata.values[key] = _read_number(cursor, kind)
    return metadata


def _read_number(cursor: Cursor, kind: int) -> int | float:
    layout = _NUMBERS.get(kind)
    if layout is None:
        raise cursor.refuse(f"its metadata has values of the unknown type {kind}")
    value: int | float = layout.unpack(cursor.take(layout.size))[0]
    return value


def _read_array(cursor: Cursor, key: str, metadata: _Metadata) -> None:
    kind, count = cursor.u32(), cursor.u64()
    metadata.lengths[key] = count
    if kind == _STRING:
        cursor.skip_strings(count, _MAX_STRING_BYTES)
        return
    layout = _NUMBERS.get(kind)
    if layout is None:
        raise cursor.refuse(f"{key} is an array of the unknown or nested type {kind}")
    if count <= _MAX_LAYERS:
        data = cursor.take(count * layout.size)
        metadata.values[key] = tuple(value for (value,) in layout.iter_unpack(data))
    else:
        cursor.skip(count * layout.size)


def _read_tensors(cursor: Cursor, count: int) -> list[_Tensor]:
    tensors = []
    names = set()
    for _ in range(count):
        name = _read_text(cursor, _MAX_TENSOR_NAME_BYTES)
        if not name or name in names:
            raise cursor.refuse(f"its tensor name {name!r} is empty or given twice")
        names.add(name)
        tensors.append(_read_tensor(cursor, name))
    return tensors


def _read_tensor(cursor: Cursor, name: str) -> _Tensor:
    dimensions = cursor.u32()
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise cursor.refuse(f"tensor {name!r} has {dimensions} dimensions")
    row, *others = [cursor.u64() for _ in range(dimensions)]
    kind, offset = cursor.u32(), cursor.u64()
    if kind not in TENSOR_TYPES:
        raise cursor.refuse(f"tensor {name!r} is of the unknown type {kind}")
    type_name, block, block_bytes = TENSOR_TYPES[kind]
    values = row
    for length in others:
        values *= length
    # Python's integers do not overflow, the engine's do: the bound is the file, far below both.
    size = values // block * block_bytes
    if row % block or not 0 < size <= cursor.size:
        raise cursor.refuse(f"tensor {name!r} of {values} values in {type_name} cannot be in it")
    return _Tensor(type_name, values, offset, size)


def _check_layout(cursor: Cursor, alignment: _Value, tensors: list[_Tensor]) -> None:
    """Every tensor lies aligned and whole inside the file, and none upon another."""
    if (
        not isinstance(alignment, int)
        or not 8 <= alignment <= _MAX_ALIGNMENT
        or alignment & (alignment - 1)
    ):
        raise cursor.refuse(f"its alignment {alignment!r} is no power of two from 8 to 65536")
    data = -(-cursor.position // alignment) * alignment
    free_from = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        if tensor.offset % alignment or tensor.offset < free_from:
            raise cursor.refuse(f"a tensor at offset {tensor.offset} overlaps or is not aligned")
        free_from = tensor.offset + tensor.size
    if data + free_from > cursor.size:
        raise cursor.refuse(
            f"its tensors end at byte {data + free_from}, the file at {cursor.size}"
        )


def _check_tokenizer(cursor: Cursor, lengths: dict[str, int]) -> None:
    """llama.cpp reads scores and types by the index of the token."""
    tokens = lengths.get("tokenizer.ggml.tokens", 0)
    for field in ("scores", "token_type"):
        length = lengths.get(f"tokenizer.ggml.{field}", tokens)
        if length != tokens:
            raise cursor.refuse(f"it has {tokens} tokens and {length} entries of {field}")


def _shape(cursor: Cursor, metadata: _Metadata, tensors: list[_Tensor]) -> ModelShape:
    values = metadata.values
    architecture = values.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise cursor.refuse("it does not name its architecture")
    if values.get("split.count", 1) not in (0, 1):
        raise BadModelFile(
            f"{cursor.name} is one part of a model split into several files.",
            hint="Merge the parts with llama-gguf-split --merge, or get the model as one file.",
        )

    def count(field: str, missing: int = 0) -> int:
        return _count(cursor, values.get(f"{architecture}.{field}", missing), field)

    layers = count("block_count")
    if layers > _MAX_LAYERS:
        raise cursor.refuse(f"it announces {layers} layers")
    heads = count("attention.head_count")
    embedding = count("embedding_length")
    key_size = count("attention.key_length", embedding // heads if heads else 0)
    value_size = count("attention.value_length", key_size)
    kv_heads = values.get(f"{architecture}.attention.head_count_kv", heads)
    causal = values.get(f"{architecture}.attention.causal", True)
    every = count("full_attention_interval")
    attention_layers = _attention_layers(layers, kv_heads, every) if causal else 0
    template = values.get("tokenizer.chat_template")
    return ModelShape(
        architecture=architecture,
        parameters=sum(tensor.values for tensor in tensors),
        layers=layers,
        attention_layers=attention_layers,
        heads=heads,
        kv_heads=_count(cursor, kv_heads, "attention.head_count_kv"),
        head_size=(key_size + value_size + 1) // 2,
        embedding_size=embedding,
        context_tokens=count("context_length"),
        vocabulary=metadata.lengths.get("tokenizer.ggml.tokens", 0),
        quantisation=_quantisation(values.get("general.file_type"), tensors),
        chat_template=template if isinstance(template, str) else None,
    )


def _count(cursor: Cursor, value: _Value, field: str) -> int:
    """A count that engines will allocate by; of one per layer, the largest."""
    largest = 0
    for number in value if isinstance(value, tuple) else (value,):
        if not isinstance(number, int) or not 0 <= number <= _MAX_COUNT:
            raise cursor.refuse(f"its {field} is {number!r}")
        largest = max(largest, number)
    return largest


def _attention_layers(layers: int, kv_heads: _Value, interval: int) -> int | None:
    """Hybrid models say it by zeros in a list per layer, or by 'every nth'."""
    if isinstance(kv_heads, tuple):
        return sum(1 for heads in kv_heads if heads)
    return layers // interval if interval > 1 else None


def _quantisation(file_type: _Value | None, tensors: list[_Tensor]) -> str:
    """The name the file gives itself, else the type that most of its bytes have."""
    if isinstance(file_type, int) and file_type in FILE_TYPES:
        return FILE_TYPES[file_type]
    sizes = Counter[str]()
    for tensor in tensors:
        sizes[tensor.kind] += tensor.size
    return sizes.most_common(1)[0][0]
