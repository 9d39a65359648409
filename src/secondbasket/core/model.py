"""Words for weights: what a model is, before anyone runs it."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

ModelFormat = Literal["gguf", "safetensors", "onnx"]
ModelTask = Literal["chat", "embedding"]


class ModelShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a weights file says of itself in its own header. Counts are 0 where it is silent.

    `attention_layers` are those that keep a key and a value for every token,
    None for all: in a hybrid model the others keep a state of fixed size.
    """

    architecture: str
    parameters: int
    layers: int = 0
    attention_layers: int | None = None
    heads: int = 0
    kv_heads: int = 0
    head_size: int = 0
    embedding_size: int = 0
    context_tokens: int = 0
    vocabulary: int = 0
    quantisation: str = ""
    chat_template: str | None = None
    modalities: tuple[str, ...] = ("text",)

    def kv_bytes_per_token(self, bytes_per_value: int = 2) -> int:
        """Bytes of key and value cache one token of context costs (f16 by default)."""
        layers = self.layers if self.attention_layers is None else self.attention_layers
        return 2 * layers * self.kv_heads * self.head_size * bytes_per_value


class ModelFile(msgspec.Struct, frozen=True):
    """One file of a model: its name in the model, its sha256 (hex) and its bytes."""

    name: str
    sha256: str
    size: int


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One model in the registry. `digest` is 'sha256:<hex>' of its weights file.

    `source` is the coordinate it came from ('pypi:…', 'hf:…', 'file:…');
    `provenance` what was observed when it arrived (time, revision, wheel hash…).
    """

    name: str
    task: ModelTask
    format: ModelFormat
    digest: str
    files: tuple[ModelFile, ...]
    licence: str
    source: str
    shape: ModelShape | None = None
    added_at: str = ""
    provenance: Mapping[str, Any] = {}

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)


class BrokenFile(msgspec.Struct, frozen=True):
    """`problem` tells what was found in place of the file."""

    model: str
    file: ModelFile
    problem: str
