"""Text completions on the OpenAI wire, both ways."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from secondbasket.core.chat import Choice, ChoiceDelta, Chunk, CompletionRequest
from secondbasket.core.usage import Usage
from secondbasket.errors import InvalidRequest, UpstreamBroken
from secondbasket.wires.openai.chat_answer import Timings, WireUsage, encode_usage
from secondbasket.wires.openai.errors import decode_error_object
from secondbasket.wires.openai.fields import at_most, convert, field_names, parse, unknown
from secondbasket.wires.openai.logprobs import Logprobs
from secondbasket.wires.openai.sampling import SamplingFields, encode_sampling

_TokenId = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class _Body(SamplingFields, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    prompt: str | list[str | _TokenId | list[_TokenId]]
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None


_BODY = field_names(_Body)


def decode_completion_request(body: bytes) -> CompletionRequest:
    """The request in `body`. Raises InvalidRequest (400) naming the field at fault."""
    raw = parse(body)
    at_most(raw, "prompt")
    call = convert(raw, _Body)
    if call.best_of is not None and call.best_of != (call.n or 1):
        raise InvalidRequest("'best_of' other than 'n' is not served.", param="best_of")
    return CompletionRequest(
        model=call.model,
        prompts=texts_or_tokens(call.prompt, param="prompt"),
        sampling=call.sampling(
            max_tokens=call.max_tokens,
            logprobs=call.logprobs is not None or None,
            top_logprobs=call.logprobs,
        ),
        echo=bool(call.echo),
        suffix=call.suffix,
        stream=bool(call.stream),
        include_usage=call.wants_usage(),
        extra=unknown(raw, _BODY),
    )


def texts_or_tokens(
    given: str | list[str | int | list[int]], *, param: str
) -> tuple[str | tuple[int, ...], ...]:
    """The wire's four spellings (text, texts, token ids, lists of token ids) as one."""
    if isinstance(given, str):
        return (given,)
    if not given:
        raise InvalidRequest(f"'{param}' is empty.", param=param)
    if all(isinstance(item, int) for item in given):
        return (tuple(item for item in given if isinstance(item, int)),)
    items: list[str | tuple[int, ...]] = []
    for item in given:
        if isinstance(item, int):
            raise InvalidRequest(f"'{param}' mixes token ids and texts.", param=param)
        items.append(item if isinstance(item, str) else tuple(item))
    return tuple(items)


def encode_texts_or_tokens(items: tuple[str | tuple[int, ...], ...]) -> Any:
    return items[0] if len(items) == 1 else items


def encode_completion_request(
    request: CompletionRequest, *, model: str, stream: bool
) -> dict[str, Any]:
    """The body an OpenAI-compatible upstream reads."""
    body: dict[str, Any] = dict(request.extra) if request.wire == "openai" else {}
    body["model"] = model
    body["prompt"] = encode_texts_or_tokens(request.prompts)
    body |= encode_sampling(request.sampling)
    if request.sampling.logprobs:
        body["logprobs"] = request.sampling.top_logprobs
    if request.echo:
        body["echo"] = True
    if request.suffix is not None:
        body["suffix"] = request.suffix
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


class _Choice(msgspec.Struct):
    text: str = ""
    index: int = 0
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []
    usage: WireUsage | None = None
    timings: Timings | None = None
    error: dict[str, Any] | str | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def decode_completion_chunk(body: bytes) -> Chunk:
    """One stream event's data, or a whole plain answer, as one Chunk. Raises as chat does."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise UpstreamBroken(f"The upstream's answer is not of its wire: {exc}.") from exc
    if answer.error is not None:
        raise decode_error_object(answer.error, status=None)
    counted = answer.usage or answer.timings
    return Chunk(
        tuple(
            ChoiceDelta(
                index=choice.index,
                text=choice.text,
                logprobs=choice.logprobs.fields() if choice.logprobs else None,
                finish_reason=None
                if choice.finish_reason is None
                else ("length" if choice.finish_reason == "length" else "stop"),
            )
            for choice in answer.choices
        ),
        counted.usage() if counted is not None else None,
    )


def _encode_logprobs(logprobs: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The completions wire's four parallel lists, from either spelling an engine uses."""
    if logprobs is None or "tokens" in logprobs:
        return logprobs
    tokens = logprobs.get("content") or []
    offsets, position = [], 0
    for token in tokens:
        offsets.append(position)
        position += len(token["token"])
    return {
        "tokens": [token["token"] for token in tokens],
        "token_logprobs": [token["logprob"] for token in tokens],
        "top_logprobs": [
            {top["token"]: top["logprob"] for top in token.get("top_logprobs", ())}
            for token in tokens
        ],
        "text_offset": offsets,
    }


def encode_completion_answer(
    *, identity: str, created: int, model: str, choices: list[Choice], usage: Usage
) -> bytes:
    """The plain answer as a `text_completion` object."""
    return msgspec.json.encode(
        {
            "id": identity,
            "object": "text_completion",
            "created": created,
            "model": model,
            "choices": [
                {
                    "index": choice.index,
                    "text": choice.text,
                    "logprobs": _encode_logprobs(choice.logprobs),
                    "finish_reason": choice.finish_reason or "stop",
                }
                for choice in choices
            ],
            "usage": encode_usage(usage),
        }
    )


class CompletionStreamEncoder:
    """Encodes the chunks of one stream as `text_completion` objects."""

    def __init__(self, *, identity: str, created: int, model: str, include_usage: bool) -> None:
        self._frame: dict[str, Any] = {
            "id": identity,
            "object": "text_completion",
            "created": created,
            "model": model,
        }
        self._include_usage = include_usage

    def chunk(self, chunk: Chunk) -> list[bytes]:
        """The data of the events that `chunk` becomes; none where it only counts."""
        if not chunk.choices:
            return []
        frame = self._frame | {
            "choices": [
                {
                    "index": choice.index,
                    "text": choice.text,
                    "logprobs": _encode_logprobs(choice.logprobs),
                    "finish_reason": choice.finish_reason,
                }
                for choice in chunk.choices
            ]
        }
        if self._include_usage:
            frame["usage"] = None
        return [msgspec.json.encode(frame)]

    def end(self, usage: Usage) -> list[bytes]:
        """The data of the last events before [DONE]."""
        if not self._include_usage:
            return []
        return [msgspec.json.encode(self._frame | {"choices": [], "usage": encode_usage(usage)})]
