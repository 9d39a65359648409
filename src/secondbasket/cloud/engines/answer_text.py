"""From the bytes of tokens to text that may be shown: whole characters, nothing of a stop text."""

import codecs
from collections.abc import Sequence


class AnswerText:
    """The text of one answer as it grows.

    A character that is not whole yet is waited for, and what may become one of
    `stops` is held back until it is known not to. Once one is met, `stopped`
    is True and nothing more is shown.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(filter(None, stops))
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.stopped = False

    def feed(self, piece: bytes) -> str:
        """What may be shown now that a token with the bytes `piece` came; often nothing."""
        if self.stopped:
            return ""
        text = self._held + self._decoder.decode(piece)
        met = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if met:
            self.stopped = True
            self._held = ""
            return text[: min(met)]
        held = beginning_at_end(text, self._stops)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """What was held back, now that no more comes; half a character is not among it."""
        held, self._held = self._held, ""
        return held


def beginning_at_end(text: str, needles: Sequence[str]) -> int:
    """Length of the longest end of `text` that one of `needles` begins with, itself excluded."""
    longest = min(len(text), max(map(len, needles), default=1) - 1)
    for length in range(longest, 0, -1):
        end = text[-length:]
        if any(len(needle) > length and needle.startswith(end) for needle in needles):
            return length
    return 0
