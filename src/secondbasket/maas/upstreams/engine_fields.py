"""What a caller may tell our own engines beyond the OpenAI wire, and within which bounds.

llama.cpp reads some hundred fields. A few of them replace the conversation,
write more than is counted, or allocate what they are told to: so here is the
list of those that are known to be harmless, and nothing else reaches an engine.
A field that nobody here knows does not fail the call, as it would not with a
provider that does not know it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from secondbasket.core.chat import ChatRequest, CompletionRequest, Message
from secondbasket.wires.openai.fields import convert

_Share = Annotated[float, Meta(ge=0, le=1)]
_Factor = Annotated[float, Meta(ge=0, le=10)]
_Window = Annotated[int, Meta(ge=-1, le=4096)]


class _Template(msgspec.Struct, forbid_unknown_fields=True):
    """Switches that chat templates of the Qwen family and others know."""

    enable_thinking: bool | None = None
    preserve_thinking: bool | None = None


class _Known(msgspec.Struct):
    """llama.cpp's sampling fields, and fields of the wire that change nothing here."""

    top_k: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    min_p: _Share | None = None
    typical_p: _Share | None = None
    top_n_sigma: Annotated[float, Meta(ge=-1, le=100)] | None = None
    xtc_probability: _Share | None = None
    xtc_threshold: _Share | None = None
    repeat_penalty: _Factor | None = None
    repeat_last_n: _Window | None = None
    dry_multiplier: _Factor | None = None
    dry_base: _Factor | None = None
    dry_allowed_length: Annotated[int, Meta(ge=0, le=4096)] | None = None
    dry_penalty_last_n: _Window | None = None
    dynatemp_range: _Factor | None = None
    dynatemp_exponent: _Factor | None = None
    mirostat: Annotated[int, Meta(ge=0, le=2)] | None = None
    mirostat_tau: _Factor | None = None
    mirostat_eta: _Share | None = None
    ignore_eos: bool | None = None
    chat_template_kwargs: _Template | None = None
    reasoning_effort: str | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None


_NAMES = frozenset(field.encode_name for field in msgspec.structs.fields(_Known))
_MESSAGE_NAMES = frozenset({"reasoning_content", "refusal"})

_Request = TypeVar("_Request", ChatRequest, CompletionRequest)


def known_only(request: _Request) -> _Request:
    """`request` with the extra fields our engines may see. Raises InvalidRequest out of range."""
    if request.extra:
        convert(request.extra, _Known)
        request = msgspec.structs.replace(request, extra=_known(request.extra, _NAMES))
    if isinstance(request, ChatRequest):
        messages = tuple(map(_known_message, request.messages))
        request = msgspec.structs.replace(request, messages=messages)
    return request


def _known_message(message: Message) -> Message:
    if not message.extra:
        return message
    return msgspec.structs.replace(message, extra=_known(message.extra, _MESSAGE_NAMES))


def _known(extra: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in extra.items() if name in names}
