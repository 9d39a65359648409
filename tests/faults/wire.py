"""What a fault is performed on: one call as an upstream got it, and its answer in pieces."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from tests.faults.answer import fragments, json_fragments

Kind = Literal["chat", "completion", "embeddings"]
Form = Literal["text", "tool", "json", "vectors"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A call. `begun` words of the answer are in it already; `read` is what it counts as input.

    `again` is what it is told to begin with, the last of those words.
    """

    kind: Kind
    form: Form
    stream: bool
    include_usage: bool
    begun: int
    again: list[str] = []
    tool: str = "say"
    read: int
    inputs: int = 1


Tell = Callable[[int, int], tuple[int, int] | None]
"""The token counts an upstream tells, from the true ones (read, written); None: it tells none."""


def honest(read: int, written: int) -> tuple[int, int] | None:
    return read, written


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer as bytes of its wire, in the pieces that a fault can come between.

    `whole` is the body of a plain answer; the others are the events of a stream: what comes
    before the first fragment, one event a fragment, the finish reason with the counts, and what
    marks the end.
    """

    whole: bytes
    opening: list[bytes] = []
    fragments: list[bytes] = []
    closing: list[bytes] = []
    end: list[bytes] = []


class Wire(Protocol):
    """One published wire, as a server speaks it."""

    def asked(self, path: str, body: Any) -> Asked: ...

    def reply(self, asked: Asked, tell: Tell, *, running: bool) -> Reply:
        """`running`: every fragment tells the counts so far, where the wire has a place for it."""
        ...

    def refused(self, asked: Asked) -> Reply:
        """The model declines to answer, as its provider's wire says so."""
        ...

    def error(self, status: int) -> bytes:
        """The body of an error answer."""
        ...

    def error_event(self) -> bytes:
        """An error as an event of a stream."""
        ...


def written(asked: Asked) -> int:
    """Tokens of the whole answer to a call, as an honest upstream counts them."""
    if asked.form == "vectors":
        return 0
    return len(said(asked)) if asked.form == "text" else len(json_fragments())


def said(asked: Asked) -> list[str]:
    """The fragments of the answer to a call for text: it goes on from what the call holds."""
    return asked.again + fragments(asked.begun)


def text_of(content: Any) -> str:
    """The text in a message's content, in either of its forms."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return content if isinstance(content, str) else ""


def named_event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\n".encode() + event(data)


def event(data: dict[str, Any] | str) -> bytes:
    text = data.encode() if isinstance(data, str) else msgspec.json.encode(data)
    return b"data: " + text + b"\n\n"
