"""A request for the rest of an answer that broke off.

`prefilled` is for an upstream that truly goes on writing a half-written
message (`UpstreamFacts.prefill`), `replay` for one that only reads
conversations. What the second one answers goes through a `Joint`.
"""

import math

import msgspec

from secondbasket.core.chat import ChatRequest, CompletionRequest, Content, Message, TextPart
from secondbasket.core.ports import UpstreamFacts
from secondbasket.maas.failover.joint import Joint, anchor_of

__all__ = ["Joint", "most_added", "prefilled", "replay", "rest_of", "rest_of_text"]


def rest_of(
    request: ChatRequest, facts: UpstreamFacts, delivered: str, written: int
) -> ChatRequest:
    """The request that has an upstream write what follows `delivered`, as it best can."""
    way = prefilled if facts.prefill else replay
    return way(request, delivered, written=written)


def rest_of_text(
    request: CompletionRequest,
    facts: UpstreamFacts,  # noqa: ARG001 - every upstream goes on from a prompt
    delivered: str,
    written: int,
) -> CompletionRequest:
    """The text completion that writes what follows `delivered`: its prompt ends with it."""
    (prompt,) = request.prompts
    if not isinstance(prompt, str):
        raise TypeError("token prompts cannot be gone on with")
    most = request.sampling.max_tokens
    if most is not None:
        most = max(1, most - written)
    sampling = msgspec.structs.replace(request.sampling, max_tokens=most)
    return msgspec.structs.replace(request, prompts=(prompt + delivered,), sampling=sampling)


def prefilled(request: ChatRequest, delivered: str, *, written: int = 0) -> ChatRequest:
    """`request` with `delivered` as the half-written message that its answer goes on with.

    `written` are the output tokens that `delivered` took, where known: they
    come off `max_tokens`. Without anything delivered it is the request itself.
    """
    if not delivered:
        return request
    messages = _half_answered(request.messages, delivered)
    return _limited(msgspec.structs.replace(request, messages=messages), written)


def replay(request: ChatRequest, delivered: str, *, written: int = 0) -> ChatRequest:
    """`request` with `delivered` in it and the instruction to go on exactly there.

    `written` as for `prefilled`; the words that are asked for again are allowed for.
    """
    anchor = anchor_of(delivered)
    if not anchor:
        return request
    again = math.ceil(written * len(anchor) / len(delivered))
    messages = (
        *_half_answered(request.messages, delivered),
        Message(role="user", content=_instruction(anchor)),
    )
    return _limited(msgspec.structs.replace(request, messages=messages), written, allowed=again)


def most_added(delivered: str) -> int:
    """Bytes that the request for the rest of `delivered` holds, at most, beyond its first one."""
    return len(delivered.encode()) + len(_instruction(anchor_of(delivered)).encode())


def _instruction(anchor: str) -> str:
    return (
        "Your answer above was cut off on its way. Continue it from exactly where it stops, as if"
        " it had never been interrupted. So that the two parts can be joined, begin your reply"
        " with its last words, copied character by character:\n"
        f"<last_words>{anchor}</last_words>\n"
        "and go straight on with what comes next. No tags, no quotation marks, no greeting, no"
        " apology, no comment, and nothing else of the answer a second time."
    )


def _half_answered(messages: tuple[Message, ...], delivered: str) -> tuple[Message, ...]:
    """A conversation that ends with the half-written answer, the caller's own beginning included.

    Where the caller had already begun the answer, `delivered` went on from there.
    """
    last = messages[-1]
    if last.role != "assistant" or last.tool_calls or last.content is None:
        return (*messages, Message(role="assistant", content=delivered))
    content: Content = (
        last.content + delivered
        if isinstance(last.content, str)
        else (*last.content, TextPart(delivered))
    )
    return (*messages[:-1], msgspec.structs.replace(last, content=content))


def _limited(request: ChatRequest, written: int, *, allowed: int = 0) -> ChatRequest:
    most = request.sampling.max_tokens
    if most is None:
        return request
    sampling = msgspec.structs.replace(
        request.sampling, max_tokens=max(1, most - written) + allowed
    )
    return msgspec.structs.replace(request, sampling=sampling)
