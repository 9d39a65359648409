"""GGUF weights through OpenVINO GenAI: another vendor's code over the same files."""

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec

from secondbasket.cloud.engines.gguf_known import ARCHITECTURES
from secondbasket.cloud.engines.schema_subset import SchemaRefused, checked_schema
from secondbasket.core.chat import ChatRequest, CompletionRequest, EmbeddingRequest
from secondbasket.core.model import ModelFormat, ModelRecord, ModelTask
from secondbasket.core.ports import EngineChild, EngineOptions
from secondbasket.errors import (
    BasketError,
    EngineFailedToStart,
    InvalidRequest,
    UnsupportedField,
)


class OpenVino:
    """Each child serves one model; its slots are answers that are written side by side."""

    name = "openvino"
    formats: tuple[ModelFormat, ...] = ("gguf",)
    tasks: tuple[ModelTask, ...] = ("chat",)

    def version(self) -> str:
        return f"openvino-genai {version('openvino-genai')}"

    def child(
        self, model: ModelRecord, files: Mapping[str, Path], options: EngineOptions, api_key: str
    ) -> EngineChild:
        """Raises EngineFailedToStart where it is plain that its GGUF reader does not know it."""
        weights = [path for name, path in files.items() if name.endswith(".gguf")]
        if len(weights) != 1:
            raise EngineFailedToStart(
                f"'{model.name}' has {len(weights)} GGUF files; this engine runs models of one.",
                hint="Pull a build of the model that is a single GGUF file.",
            )
        if model.shape is not None and model.shape.architecture not in ARCHITECTURES:
            raise EngineFailedToStart(
                f"OpenVINO knows the architectures {', '.join(ARCHITECTURES)}, not"
                f" {model.shape.architecture}.",
                hint="Other engines may; leave engine.second empty to do without this one.",
            )
        return EngineChild(
            command=(sys.executable, "-P", "-m", "secondbasket.cloud.engines.openvino_child"),
            configuration=msgspec.json.encode(
                {
                    "parent": os.getpid(),
                    "api_key": api_key,
                    "alias": model.name,
                    "weights": str(weights[0]),
                    "context_tokens": options.context_tokens,
                    "slots": options.slots,
                    "threads": options.threads,
                    "cache_mib": options.cache_mib,
                }
            ),
        )

    def unfit(
        self, request: ChatRequest | CompletionRequest | EmbeddingRequest
    ) -> BasketError | None:
        if isinstance(request, EmbeddingRequest):
            return None
        sampling = request.sampling
        for field, asked in (
            ("logit_bias", sampling.logit_bias),
            ("top_logprobs", sampling.top_logprobs),
        ):
            if asked:
                return UnsupportedField(
                    f"'{field}' is not served by OpenVINO.", hint="Leave it out.", param=field
                )
        wanted = request.response_format if isinstance(request, ChatRequest) else None
        if wanted is None or wanted.schema is None:
            return None
        try:
            checked_schema(wanted.schema.get("schema") or {})
        except SchemaRefused as exc:
            return InvalidRequest(
                f"OpenVINO does not take this JSON Schema: {exc}.",
                hint="Send a simpler JSON Schema.",
                param="response_format",
            )
        return None


def create() -> OpenVino:
    return OpenVino()
