"""The model list of the OpenAI wire."""

from typing import Any

import msgspec


def encode_model(*, name: str, created: int, owned_by: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owned_by}


def encode_model_list(models: list[dict[str, Any]]) -> bytes:
    return msgspec.json.encode({"object": "list", "data": models})
