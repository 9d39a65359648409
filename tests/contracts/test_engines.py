"""The engines' contracts, over each engine with its real model."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from secondbasket.cloud.engines import llamacpp, onnx, openvino
from secondbasket.core.model import ModelFormat, ModelRecord, ModelTask
from secondbasket.core.ports import EngineOptions
from secondbasket.testing.chat_engines import ChatEngineContract
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


class TestLlamaCpp(ChatEngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def case(cls, tmp_path_factory: pytest.TempPathFactory, weights: Weights) -> EngineCase:
        return EngineCase(
            engine=llamacpp.create(),
            model=_record(CHAT_MODEL, "chat", "gguf"),
            files={"weights.gguf": weights.chat},
            broken={"weights.gguf": _truncated(weights.chat, tmp_path_factory.mktemp("broken"))},
            options=EngineOptions(context_tokens=256, slots=2, threads=2, cache_mib=16),
        )


class TestOpenVino(ChatEngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def case(cls, tmp_path_factory: pytest.TempPathFactory, weights: Weights) -> EngineCase:
        return EngineCase(
            engine=openvino.create(),
            model=_record(CHAT_MODEL, "chat", "gguf"),
            files={"weights.gguf": weights.chat},
            broken={"weights.gguf": _truncated(weights.chat, tmp_path_factory.mktemp("broken"))},
            options=EngineOptions(context_tokens=256, slots=2, threads=2, cache_mib=16),
        )


class TestOnnx(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def case(cls, tmp_path_factory: pytest.TempPathFactory, weights: Weights) -> EngineCase:
        files: Mapping[str, Path] = {
            "model.onnx": weights.embedding,
            "tokenizer.json": weights.tokenizer,
        }
        return EngineCase(
            engine=onnx.create(),
            model=_record(EMBEDDING_MODEL, "embedding", "onnx"),
            files=files,
            broken={
                **files,
                "model.onnx": _truncated(weights.embedding, tmp_path_factory.mktemp("broken")),
            },
            options=EngineOptions(context_tokens=256, slots=2, threads=2, cache_mib=0),
        )
