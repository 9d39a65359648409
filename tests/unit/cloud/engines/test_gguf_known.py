"""What OpenVINO's GGUF reader would get wrong is found out before it reads."""

import struct
from pathlib import Path
from typing import Any

import pytest

from secondbasket.cloud.engines.gguf_known import NotKnown, require_known
from tests.conftest import Weights

KNOWN = {
    "general.architecture": "llama",
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "general.alignment": 32,
    "llama.rope.freq_base": 1e4,
    "tokenizer.ggml.tokens": ["a", "b"],
    "tokenizer.ggml.token_type": [1, 3],
}


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def _value(value: object) -> bytes:
    match value:
        case str():
            return struct.pack("<I", 8) + _text(value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case [str(), *_]:
            items = b"".join(_text(str(each)) for each in value)
            return struct.pack("<IIQ", 9, 8, len(value)) + items
        case [int(), *_]:
            return struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value)
    raise AssertionError(value)


def gguf(path: Path, *, kind: int = 2, name: str = "output.weight", **changes: Any) -> Path:
    """A file of one tensor of 64 values; `changes` to its metadata, None takes a key away."""
    keys = {**KNOWN, **{key.replace("__", "."): value for key, value in changes.items()}}
    keys = {key: value for key, value in keys.items() if value is not None}
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys))
    head += b"".join(_text(key) + _value(value) for key, value in keys.items())
    head += _text(name) + struct.pack("<IQQIQ", 2, 32, 2, kind, 0)
    path.write_bytes(head.ljust(-(-len(head) // 32) * 32, b"\0") + bytes(36))
    return path


def test_a_file_that_is_known(tmp_path: Path, weights: Weights) -> None:
    require_known(gguf(tmp_path / "a"))
    require_known(weights.chat)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"general__architecture": "gemma3"}, "architectures llama, qwen2, qwen3, not gemma3"),
        ({"general__architecture": None}, "not None"),
        ({"tokenizer__ggml__pre": "llama-bpe"}, "tokenizers smollm, qwen2, not llama-bpe"),
        ({"tokenizer__ggml__model": "llama"}, "tokenizers"),
        ({"llama__rope__scaling__type": "yarn"}, "stretches its context"),
        ({"name": "rope_freqs.weight"}, "stretches its context"),
        ({"kind": 13}, "'output.weight' has another"),
    ],
)
def test_what_is_not_known(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(NotKnown, match=told):
        require_known(gguf(tmp_path / "a", **changes))


def test_no_scaling_is_none(tmp_path: Path) -> None:
    require_known(gguf(tmp_path / "a", llama__rope__scaling__type="none"))


@pytest.mark.parametrize("kept", [0, 3, 10, 24, 60, 200, -1])
def test_a_file_that_ends_too_early(tmp_path: Path, kept: int) -> None:
    path = gguf(tmp_path / "a")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(NotKnown):
        require_known(path)


def test_a_file_that_lies_about_its_lengths(tmp_path: Path) -> None:
    path = gguf(tmp_path / "a")
    content = path.read_bytes()
    for place in range(4, 120):
        path.write_bytes(content[:place] + b"\xff" * 8 + content[place + 8 :])
        try:
            require_known(path)
        except NotKnown:
            continue
