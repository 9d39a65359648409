"""Log-probabilities in an answer of the OpenAI wire, in either spelling that upstreams use.

What they tell is held to its form: it goes to our own encoders, and what breaks
those is the upstream's fault, not ours.
"""

from typing import Any

import msgspec


class _Token(msgspec.Struct, omit_defaults=True):
    """The published fields only: engines add their own, such as the token's id."""

    token: str
    logprob: float | None
    bytes: list[int] | None = None
    top_logprobs: "list[_Token] | None" = None


class Logprobs(msgspec.Struct, omit_defaults=True):
    """Tokens as chat tells them, or the four parallel lists of text completions."""

    content: list[_Token] | None = None
    refusal: list[_Token] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    text_offset: list[int] | None = None

    def fields(self) -> dict[str, Any] | None:
        """What was told, by field; None where nothing was."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told or None
