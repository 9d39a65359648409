"""Prices: what each upstream costs, and the most one call can come to."""

from secondbasket.core.usage import Usage
from secondbasket.errors import InvalidRequest

LOCAL = "local"

# What a chat template adds to the text of a call (a default system prompt, instructions for
# tools) and of each message (role, delimiters, wrapping of a tool's call or reply).
_TEMPLATE_TOKENS = 512
_MESSAGE_TOKENS = 32
_UNTOLD_TOKENS = 8192


def most_usage(
    *,
    text_bytes: int,
    prompts: int,
    messages: int,
    answers: int,
    max_tokens: int | None,
    context_tokens: int,
) -> Usage:
    """The most tokens one call can use.

    A token covers at least one byte of text, so the input is at most
    `text_bytes` tokens and what a chat template adds to each of the `prompts`
    and `messages`; each of the `answers` is at most `max_tokens`. None of them
    is more than `context_tokens` (0: unknown). Raises InvalidRequest where
    nothing bounds an answer.
    """
    input_tokens = text_bytes + prompts * _TEMPLATE_TOKENS + messages * _MESSAGE_TOKENS
    if context_tokens:
        input_tokens = min(input_tokens, prompts * context_tokens)
    limits = [limit for limit in (max_tokens, context_tokens) if limit]
    if answers and not limits:
        raise InvalidRequest(
            "This model's context size is not known, so nothing bounds what an answer can cost.",
            hint="Set max_tokens in the request, or context_tokens of the upstream.",
            param="max_tokens",
        )
    return Usage(input_tokens, answers * min(limits, default=0))


def plausible(usage: Usage, most: Usage, *, wrote: bool = False) -> bool:
    """Whether an upstream's count can be true, given the `most` that its call could use.

    Providers may add instructions of their own to what is read, for tools above all.
    `wrote`: something of the answer came, which takes at least one token. What
    cannot be true is no figure to bill: count it otherwise, and mark it inexact.
    """
    return (
        0 <= usage.cached_input_tokens <= usage.input_tokens
        and usage.input_tokens <= most.input_tokens + _UNTOLD_TOKENS
        and 0 <= usage.output_tokens <= most.output_tokens
        and not (wrote and usage.output_tokens == 0)
    )
