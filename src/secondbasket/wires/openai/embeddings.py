"""Embeddings on the OpenAI wire, both ways."""

import base64
import struct
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from secondbasket.core.chat import EmbeddingAnswer, EmbeddingRequest
from secondbasket.errors import InvalidRequest, UpstreamBroken
from secondbasket.wires.openai.chat_answer import WireUsage
from secondbasket.wires.openai.completions import encode_texts_or_tokens, texts_or_tokens
from secondbasket.wires.openai.errors import decode_error_object
from secondbasket.wires.openai.fields import at_most, convert, field_names, parse, unknown

EncodingFormat = Literal["float", "base64"]


class _Body(msgspec.Struct, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: str | list[str | int | list[int]]
    encoding_format: EncodingFormat | None = None
    dimensions: Annotated[int, Meta(ge=1, le=65536)] | None = None


_BODY = field_names(_Body)


def decode_embedding_request(body: bytes) -> tuple[EmbeddingRequest, EncodingFormat]:
    """The request in `body`, and how its caller wants the vectors spelled."""
    raw = parse(body)
    at_most(raw, "input")
    call = convert(raw, _Body)
    inputs = texts_or_tokens(call.input, param="input")
    if any(not item for item in inputs):
        raise InvalidRequest("'input' holds an empty text.", param="input")
    request = EmbeddingRequest(
        model=call.model,
        inputs=inputs,
        dimensions=call.dimensions,
        extra=unknown(raw, _BODY),
    )
    return request, call.encoding_format or "float"


def encode_embedding_request(request: EmbeddingRequest, *, model: str) -> dict[str, Any]:
    """The body an OpenAI-compatible upstream reads; vectors are asked as base64, to the bit."""
    body: dict[str, Any] = dict(request.extra) if request.wire == "openai" else {}
    body |= {
        "model": model,
        "input": encode_texts_or_tokens(request.inputs),
        "encoding_format": "base64",
    }
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return body


class _Vector(msgspec.Struct):
    index: int
    embedding: str | list[float]


class _Answer(msgspec.Struct):
    data: list[_Vector] = []
    usage: WireUsage | None = None
    error: dict[str, Any] | str | None = None


def decode_embedding_answer(body: bytes, *, inputs: int) -> EmbeddingAnswer:
    """The vectors in order. Raises UpstreamBroken unless there is one for each of `inputs`."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
        if answer.error is not None:
            raise decode_error_object(answer.error, status=None)
        data = sorted(answer.data, key=lambda item: item.index)
        vectors = [_floats(item.embedding) for item in data]
    except (msgspec.DecodeError, ValueError, RecursionError, struct.error) as exc:
        raise UpstreamBroken(f"The upstream's answer is not of its wire: {exc}.") from exc
    complete = [item.index for item in data] == list(range(inputs))
    if not complete or len({len(vector) for vector in vectors}) > 1:
        raise UpstreamBroken(f"The upstream sent {len(vectors)} vectors for {inputs} inputs.")
    usage = answer.usage or WireUsage()
    return EmbeddingAnswer(tuple(vectors), usage.usage(), counted=answer.usage is not None)


def _floats(embedding: str | list[float]) -> tuple[float, ...]:
    if isinstance(embedding, list):
        return tuple(embedding)
    packed = base64.b64decode(embedding, validate=True)
    return struct.unpack(f"<{len(packed) // 4}f", packed)


def encode_embedding_answer(
    answer: EmbeddingAnswer, *, model: str, encoding_format: EncodingFormat
) -> bytes:
    """The `list` of `embedding` objects, as numbers or as base64 of little-endian float32."""
    usage = answer.usage
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": vector
                    if encoding_format == "float"
                    else base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode(),
                }
                for index, vector in enumerate(answer.vectors)
            ],
            "model": model,
            "usage": {"prompt_tokens": usage.input_tokens, "total_tokens": usage.total_tokens},
        }
    )
