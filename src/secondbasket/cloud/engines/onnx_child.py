"""The process that serves an embedding model over HTTP, started as ``python -m`` by its engine.

It answers ``POST /v1/embeddings`` with its API key and ``GET /health`` without.
Errors have llama.cpp's shape, so that one upstream reads both engines.
"""

import base64
import hmac
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from secondbasket.cloud.engines import lifeline
from secondbasket.cloud.engines.onnx_model import BadTokens, EmbeddingModel, InputTooLong, Vectors

_MOST_INPUTS = 2048  # as the published wire allows
_DRAIN_SECONDS = 5


class EmbeddingBody(msgspec.Struct):
    """The fields of the wire that this engine knows; others have no meaning here."""

    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None

    def inputs(self) -> list[str | list[int]]:
        """One item per vector asked for. Raises BadTokens where kinds of input are mixed."""
        if isinstance(self.input, str):
            return [self.input]
        texts = [each for each in self.input if isinstance(each, str)]
        lists = [each for each in self.input if isinstance(each, list)]
        tokens = [each for each in self.input if isinstance(each, int)]
        for kind in (texts, lists, tokens):
            if kind and len(kind) < len(self.input):
                raise BadTokens("input mixes texts, token ids and lists of token ids")
        return [*texts, *lists, *([tokens] if tokens else [])]


class Embeddings:
    """The door of this process. `slots` batches run at a time, the others wait."""

    def __init__(self, *, model: EmbeddingModel, alias: str, api_key: str, slots: int) -> None:
        self._model = model
        self._alias = alias
        self._authorization = f"Bearer {api_key}".encode()
        self._slots = anyio.CapacityLimiter(slots)

    async def health(self, _: Request) -> Response:
        return _json({"status": "ok"})

    async def create(self, request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._authorization):
            return _error(401, "authentication_error", "Invalid API Key")
        try:
            body = msgspec.json.decode(await request.body(), type=EmbeddingBody)
            inputs = body.inputs()
            if not 0 < len(inputs) <= _MOST_INPUTS:
                return _invalid(f"input holds {len(inputs)} items; 1 to {_MOST_INPUTS} are taken")
            if body.dimensions not in (None, self._model.dimensions):
                return _invalid(f"this model's vectors have {self._model.dimensions} dimensions")
            tokens, vectors = await anyio.to_thread.run_sync(
                self._embed, inputs, limiter=self._slots
            )
        except InputTooLong as exc:
            counts = {"n_prompt_tokens": exc.tokens, "n_ctx": exc.limit}
            return _error(400, "exceed_context_size_error", str(exc), **counts)
        except (msgspec.MsgspecError, UnicodeDecodeError, BadTokens) as exc:
            return _invalid(str(exc))
        return self._answer(tokens, vectors, body.encoding_format)

    def _embed(self, inputs: list[str | list[int]]) -> tuple[int, Vectors]:
        ids = self._model.tokens(inputs)
        return sum(map(len, ids)), self._model.vectors(ids)

    def _answer(self, tokens: int, vectors: Vectors, encoding: str) -> Response:
        told: list[Any] = (
            [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]
            if encoding == "base64"
            else vectors.tolist()
        )
        return _json(
            {
                "object": "list",
                "model": self._alias,
                "data": [
                    {"object": "embedding", "index": index, "embedding": embedding}
                    for index, embedding in enumerate(told)
                ],
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _error(status: int, kind: str, message: str, **counts: int) -> Response:
    return _json({"error": {"code": status, "message": message, "type": kind, **counts}}, status)


def _invalid(message: str) -> Response:
    return _error(400, "invalid_request_error", message)


def main() -> None:
    configuration = lifeline.begin()
    try:
        model = EmbeddingModel(
            weights=Path(configuration["weights"]),
            tokenizer=Path(configuration["tokenizer"]),
            context_tokens=configuration["context_tokens"],
            threads=configuration["threads"],
        )
    # Process edge: tokenizers raises bare Exception, onnxruntime one class per status.
    except Exception as exc:  # noqa: BLE001 - as told above
        sys.exit(f"cannot load the model: {exc}")
    door = Embeddings(
        model=model,
        alias=configuration["alias"],
        api_key=configuration["api_key"],
        slots=configuration["slots"],
    )
    listener = socket.create_server(("127.0.0.1", 0))

    @asynccontextmanager
    async def announced(_: Starlette) -> AsyncIterator[None]:
        # Connections wait in the listener's queue until the server takes them.
        lifeline.announce(listener.getsockname()[1])
        yield

    application = Starlette(
        routes=[
            Route("/health", door.health, methods=["GET"]),
            Route("/v1/embeddings", door.create, methods=["POST"]),
        ],
        lifespan=announced,
    )
    uvicorn.Server(
        uvicorn.Config(
            application,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    ).run(sockets=[listener])


if __name__ == "__main__":
    main()
