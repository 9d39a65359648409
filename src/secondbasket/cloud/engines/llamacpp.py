"""llama.cpp through xllamacpp: GGUF weights on any CPU with AVX2."""

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


class LlamaCpp:
    """Each child is llama.cpp's own server for one model: one process, one API key."""

    name = "llamacpp"
    formats: tuple[ModelFormat, ...] = ("gguf",)
    tasks: tuple[ModelTask, ...] = ("chat", "embedding")

    def version(self) -> str:
        return f"xllamacpp {version('xllamacpp')}"

    def child(
        self, model: ModelRecord, files: Mapping[str, Path], options: EngineOptions, api_key: str
    ) -> EngineChild:
        """Raises EngineFailedToStart where the model is not exactly one GGUF file."""
        weights = [path for name, path in files.items() if name.endswith(".gguf")]
        if len(weights) != 1:
            raise EngineFailedToStart(
                f"'{model.name}' has {len(weights)} GGUF files; this engine runs models of one.",
                hint="Pull a build of the model that is a single GGUF file.",
            )
        return EngineChild(
            command=(sys.executable, "-P", "-m", "secondbasket.cloud.engines.llamacpp_child"),
            configuration=msgspec.json.encode(
                {
                    "parent": os.getpid(),
                    "api_key": api_key,
                    "alias": model.name,
                    "task": model.task,
                    "weights": str(weights[0]),
                    "context_tokens": options.context_tokens,
                    "slots": options.slots,
                    "threads": options.threads,
                    "cache_mib": options.cache_mib,
                }
            ),
        )

    def unfit(
        self,
        request: ChatRequest | CompletionRequest | EmbeddingRequest,  # noqa: ARG002 - serves all
    ) -> None:
        return None


def create() -> LlamaCpp:
    return LlamaCpp()
