"""Sentence embeddings through onnxruntime, for BERT-like models with their tokenizer."""

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec

from secondbasket.core.chat import ChatRequest, CompletionRequest, EmbeddingRequest
from secondbasket.core.model import ModelFormat, ModelRecord, ModelTask
from secondbasket.core.ports import EngineChild, EngineOptions
from secondbasket.errors import EngineFailedToStart


class Onnx:
    """Each child serves one model; its slots are batches that run side by side."""

    name = "onnx"
    formats: tuple[ModelFormat, ...] = ("onnx",)
    tasks: tuple[ModelTask, ...] = ("embedding",)

    def version(self) -> str:
        return f"onnxruntime {version('onnxruntime')}"

    def child(
        self, model: ModelRecord, files: Mapping[str, Path], options: EngineOptions, api_key: str
    ) -> EngineChild:
        """Raises EngineFailedToStart without exactly one .onnx file and a tokenizer.json."""
        weights = [path for name, path in files.items() if name.endswith(".onnx")]
        tokenizer = files.get("tokenizer.json")
        if len(weights) != 1 or tokenizer is None:
            raise EngineFailedToStart(
                f"'{model.name}' has the files {sorted(files)}; this engine needs one .onnx file"
                " and tokenizer.json.",
                hint="Pull the model with its tokenizer, such as all-minilm-l6-v2.",
            )
        return EngineChild(
            command=(sys.executable, "-P", "-m", "secondbasket.cloud.engines.onnx_child"),
            configuration=msgspec.json.encode(
                {
                    "parent": os.getpid(),
                    "api_key": api_key,
                    "alias": model.name,
                    "weights": str(weights[0]),
                    "tokenizer": str(tokenizer),
                    "context_tokens": options.context_tokens,
                    "slots": options.slots,
                    "threads": options.threads,
                }
            ),
            environment={
                # The published wheels report to their vendor over the network, unless this is set
                # before they are loaded.
                "ORT_DISABLE_TELEMETRY": "1",
                # The tokenizer's own thread pool would otherwise take every core.
                "RAYON_NUM_THREADS": str(options.threads),
            },
        )

    def unfit(
        self,
        request: ChatRequest | CompletionRequest | EmbeddingRequest,  # noqa: ARG002 - serves all
    ) -> None:
        return None


def create() -> Onnx:
    return Onnx()
