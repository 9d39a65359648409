"""The engines' contract, over both engines with their real models."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from secondbasket.cloud.engines import llamacpp, onnx
from secondbasket.core.model import ModelFormat, ModelRecord, ModelTask
from secondbasket.core.ports import EngineOptions
from secondbasket.testing.engines import EngineCase, EngineContract
from tests.conftest import CHAT_MODEL, EMBEDDING_MODEL, Weights


def _record(name: str, task: ModelTask, file_format: ModelFormat) -> ModelRecord:
    return ModelRecord(
        name=name, task=task, format=file_format, digest="", files=(), licence="", source="file:"
    )


def _truncated(path: Path, into: Path) -> Path:
    """The first two thirds of a file: its head is sound and its end is missing."""
    damaged = into / "damaged"
    with path.open("rb") as whole:
        damaged.write_bytes(whole.read(path.stat().st_size * 2 // 3))
    return damaged


class TestLlamaCpp(EngineContract):
    @pytest.fixture
    def case(self, tmp_path: Path, weights: Weights) -> EngineCase:
        return EngineCase(
            engine=llamacpp.create(),
            model=_record(CHAT_MODEL, "chat", "gguf"),
            files={"weights.gguf": weights.chat},
            broken={"weights.gguf": _truncated(weights.chat, tmp_path)},
            options=EngineOptions(context_tokens=256, slots=2, threads=2, cache_mib=16),
        )


class TestOnnx(EngineContract):
    @pytest.fixture
    def case(self, tmp_path: Path, weights: Weights) -> EngineCase:
        files: Mapping[str, Path] = {
            "model.onnx": weights.embedding,
            "tokenizer.json": weights.tokenizer,
        }
        return EngineCase(
            engine=onnx.create(),
            model=_record(EMBEDDING_MODEL, "embedding", "onnx"),
            files=files,
            broken={**files, "model.onnx": _truncated(weights.embedding, tmp_path)},
            options=EngineOptions(context_tokens=256, slots=2, threads=2, cache_mib=0),
        )
