"""All text of a request, whatever part of it holds it, and the parts that nobody can read.

What is not looked at would be a way around the detectors, so this follows
everything that an upstream is sent: messages of every role, the arguments and
results of tools, their descriptions and schemas, and the fields we do not know.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from secondbasket.core.chat import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    MediaPart,
    Message,
)

# Longer strings of Base64 in a media part are its bytes, not words about it.
_LONGEST_WORDS = 8192
_BASE64 = re.compile(r"(?:data:[\w.+;=/-]{0,200},)?[A-Za-z0-9+/_=\r\n-]*+")
# They are told on and put on record: not in a caller's own words.
_KINDS = frozenset({"file", "image_url", "input_audio", "video_url"})


class Texts(msgspec.Struct, frozen=True):
    """`text` is everything that can be read, `unread` the kinds of parts that cannot be."""

    text: str
    unread: tuple[str, ...] = ()


def texts_of(request: ChatRequest | CompletionRequest | EmbeddingRequest) -> Texts:
    """Its parts are joined by line ends: a number broken over two of them is still one."""
    unread: dict[str, None] = {}
    if isinstance(request, ChatRequest):
        parts = list(_chat(request, unread))
    elif isinstance(request, CompletionRequest):
        parts = list(_prompts(request.prompts, unread))
        parts += [request.suffix or "", *request.sampling.stop]
        parts += [*(request.sampling.logit_bias or ()), *_leaves(request.extra)]
    else:
        parts = [*_prompts(request.inputs, unread), *_leaves(request.extra)]
    return Texts("\n".join(filter(None, parts)), tuple(unread))


def _chat(request: ChatRequest, unread: dict[str, None]) -> Iterator[str]:
    for message in request.messages:
        yield from _message(message, unread)
    for tool in request.tools:
        yield tool.name
        yield tool.description
        yield from _leaves(tool.parameters)
    if request.response_format is not None:
        yield from _leaves(request.response_format.schema)
    yield from request.sampling.stop
    yield from request.sampling.logit_bias or ()
    yield from _leaves(request.extra)


def _message(message: Message, unread: dict[str, None]) -> Iterator[str]:
    if isinstance(message.content, str):
        yield message.content
    else:
        for part in message.content or ():
            if isinstance(part, MediaPart):
                unread[part.kind if part.kind in _KINDS else "part"] = None
                yield from (text for text in _leaves(part.payload) if not _is_bytes(text))
            else:
                yield part.text
    if message.name is not None:
        yield message.name
    if message.tool_call_id is not None:
        yield message.tool_call_id
    for call in message.tool_calls:
        yield call.id
        yield call.name
        yield call.arguments
    yield from _leaves(message.extra)


def _prompts(prompts: tuple[str | tuple[int, ...], ...], unread: dict[str, None]) -> Iterator[str]:
    for prompt in prompts:
        if isinstance(prompt, str):
            yield prompt
        else:
            unread["tokens"] = None  # ids of words that only the model's tokenizer knows


def _leaves(value: Any) -> Iterator[str]:
    """Every string in a JSON value, names of fields among them."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += each.values()
            waiting += each.keys()
        elif isinstance(each, list | tuple):
            waiting += each
        elif isinstance(each, int | float) and not isinstance(each, bool):
            # An account number needs no quotes, and is one also where it is written as 4.1e15.
            yield str(int(each)) if each == each // 1 else str(each)


def _is_bytes(text: str) -> bool:
    """Long, and nothing but Base64 behind the head of a data URL?"""
    return len(text) >= _LONGEST_WORDS and _BASE64.fullmatch(text) is not None
