"""Is a GGUF file one that OpenVINO's own reader understands?

That reader takes a file for whole, a rule it does not know for one that it
knows, and a type it does not know for another: it would read behind the end of
a file, or answer worse without a word. So its limits are looked up first.
What a file may be at all was judged when the model was pulled.
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ARCHITECTURES = ("llama", "qwen2", "qwen3")
# How a text is cut before its words are looked up; the reader has the rules of these two.
TOKENIZERS = ("smollm", "qwen2")
# Type number → name, values of a block, bytes of a block.
_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    8: ("Q8_0", 32, 34),
    12: ("Q4_K", 256, 144),
    14: ("Q6_K", 256, 210),
}

_COUNT, _LONG = struct.Struct("<I"), struct.Struct("<Q")
_STRING, _ARRAY = 8, 9
_NUMBERS = {kind: f"<{code}" for kind, code in zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12),
                                                   "BbHhIif?Qqd", strict=True)}  # fmt: skip


class NotKnown(Exception):
    """The text says what about the file the reader does not know."""


def require_known(path: Path) -> None:
    """Raises NotKnown unless OpenVINO's GGUF reader understands all of the file `path`."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _Header(data)
            metadata = dict(header.metadata())
            _require_rules(metadata)
            ends = [_end(*tensor) for tensor in header.tensors()]
            alignment = metadata.get("general.alignment", 32)
            whole = -(-header.place // alignment) * alignment + max(ends, default=0)
            if whole > len(data):
                raise NotKnown(f"the file ends at byte {len(data)}, its tensors at {whole}")
    except (struct.error, ValueError, KeyError, OSError) as exc:
        raise NotKnown("the file is no whole GGUF file") from exc


def _require_rules(metadata: dict[str, Any]) -> None:
    architecture = metadata.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise NotKnown(f"it knows the architectures {', '.join(ARCHITECTURES)}, not {architecture}")
    tokenizer = metadata.get("tokenizer.ggml.pre")
    if metadata.get("tokenizer.ggml.model") != "gpt2" or tokenizer not in TOKENIZERS:
        raise NotKnown(f"it knows the tokenizers {', '.join(TOKENIZERS)}, not {tokenizer}")
    if metadata.get(f"{architecture}.rope.scaling.type", "none") != "none":
        raise NotKnown("it does not know how the model stretches its context (rope.scaling)")


def _end(name: str, values: int, kind: int, offset: int) -> int:
    """The byte behind a tensor, counted from where tensors begin."""
    if name == "rope_freqs.weight":
        raise NotKnown("it does not know how the model stretches its context (rope_freqs)")
    if kind not in _TYPES:
        known = ", ".join(each for each, _, _ in _TYPES.values())
        raise NotKnown(f"it knows the quantisations {known}; '{name}' has another (type {kind})")
    _, block, size = _TYPES[kind]
    return offset + values // block * size


class _Header:
    """Reads from the beginning on; `place` is where it stands."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.place = 8  # behind the magic and the version
        if data[:4] != b"GGUF":
            raise NotKnown("the file does not begin as a GGUF file")
        self._tensors, self._keys = self._long(), self._long()

    def metadata(self) -> Iterator[tuple[str, Any]]:
        """The entries, arrays left out."""
        for _ in range(self._keys):
            key = self._text()
            kind = self._count()
            if kind == _ARRAY:
                self._skip_array()
            elif kind == _STRING:
                yield key, self._text()
            else:
                yield key, self._number(_NUMBERS[kind])

    def tensors(self) -> Iterator[tuple[str, int, int, int]]:
        """Name, number of values, type and offset of each; read after the metadata."""
        for _ in range(self._tensors):
            name = self._text()
            values = 1
            for _ in range(self._count()):
                values *= self._long()
            yield name, values, self._count(), self._long()

    def _skip_array(self) -> None:
        kind, length = self._count(), self._long()
        if kind == _STRING:
            for _ in range(length):
                size = self._long()
                self.place += size
        else:
            self.place += length * struct.calcsize(_NUMBERS[kind])

    def _text(self) -> str:
        length = self._long()
        if length > len(self._data) - self.place:
            raise NotKnown("the file ends in its header")
        self.place += length
        return self._data[self.place - length : self.place].decode()

    def _number(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self._data, self.place)
        self.place += struct.calcsize(form)
        return value

    def _count(self) -> int:
        (value,) = _COUNT.unpack_from(self._data, self.place)
        self.place += 4
        return int(value)

    def _long(self) -> int:
        (value,) = _LONG.unpack_from(self._data, self.place)
        self.place += 8
        return int(value)
