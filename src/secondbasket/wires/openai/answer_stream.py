"""One answer on the OpenAI wire, event by event, held to the order that the wire has."""

from collections.abc import Callable

from secondbasket.core.chat import Chunk
from secondbasket.errors import UpstreamBroken


class OpenAIAnswer:
    """Reads one call's answer of `choices` alternatives, each event by `decode`.

    A chunk that came twice looks on this wire like a model that repeats itself,
    and passes. What is seen: an alternative that goes on after it finished, one
    that nobody asked for, and an end before all have finished.
    """

    def __init__(self, decode: Callable[[bytes], Chunk], *, choices: int = 1) -> None:
        self.ended = False
        self._decode = decode
        self._choices = choices
        self._finished: set[int] = set()

    @property
    def finished(self) -> bool:
        """Whether every alternative has told why it ended."""
        return len(self._finished) == self._choices

    def whole(self, body: bytes) -> Chunk:
        """The plain answer in `body`. Raises UpstreamBroken unless every alternative finished."""
        return self._checked(self._decode(body))

    def event(self, data: bytes) -> Chunk | None:
        """The next step of the answer; None where an event has nothing in it for us."""
        if data == b"[DONE]":
            self.ended = True
            return None
        return self._checked(self._decode(data))

    def _checked(self, chunk: Chunk) -> Chunk:
        for choice in chunk.choices:
            if not 0 <= choice.index < self._choices:
                raise UpstreamBroken("The upstream answers more alternatives than were asked for.")
            if choice.index in self._finished and choice.has_content:
                raise UpstreamBroken("The upstream goes on after its answer has finished.")
            if choice.finish_reason:
                self._finished.add(choice.index)
        return chunk
