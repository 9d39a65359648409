"""The seam between what was delivered and what another model continues it with.

A model without true prefill cannot be told to write the very next character.
So it is asked to begin with the last words again (`anchor_of`), and `Joint`
takes them out: where they are found, the seam is proven. Overlaps nobody asked
for are taken out only where they cannot be meant.
"""

import re

from secondbasket.errors import UpstreamBroken

# Shorter overlaps happen in honest text ("had had"): only what was asked for counts below this.
_TELLING = 16
_ANCHOR = 40
_MOST_ANCHOR = 800
_MOST_LEAD_IN = 120

_WRAPPER = re.compile(r'(?:```\w*\n|[\s"“«„`…])*')
_HALF_FENCE = re.compile(r"```\w*\Z")
_LEAD_IN = re.compile(r"[^\n]+:|\.\.\.")
_OPENER = re.compile(r'```|["“«„`]')
_CLOSERS = {"```": "```", "`": "`", '"': '"', "“": "”", "«": "»", "„": "“"}


def anchor_of(delivered: str) -> str:
    """The last words of `delivered`, from a word's start, enough of them to occur only once.

    Without white space at its end; empty where there is nothing but white space.
    """
    core = delivered.rstrip()
    length = _ANCHOR
    while True:
        start = _word_start(core, max(0, len(core) - length))
        if core.find(core[start:]) == start or length >= _MOST_ANCHOR:
            return core[start:]
        length += _ANCHOR


def _word_start(text: str, near: int) -> int:
    """The last beginning of a word at or shortly before `near`; `near` where no word is so short.

    Scripts without spaces have no such place, and need none.
    """
    for start in range(near, max(0, near - _ANCHOR) - 1, -1):
        if _begins_word(text, start):
            return start
    return near


def _begins_word(text: str, at: int) -> bool:
    return at == 0 or (text[at - 1].isspace() and not text[at].isspace())


def _wrapper_end(text: str) -> int:
    wrapper = _WRAPPER.match(text)
    return wrapper.end() if wrapper else 0


class Joint:
    """Feed it a continuation of `delivered`; what it returns follows `delivered` directly.

    The opening is held back until the seam is found, or cannot come any more.
    `verified` says afterwards whether it was found: False where the
    continuation repeats nothing and is passed on as it came, None while that
    is open. An opening that repeats `delivered` after something else raises
    UpstreamBroken: to cut there and not to cut there may both be wrong. Flush
    it only where the continuation has finished: what a broken one held was
    never delivered.
    """

    def __init__(self, delivered: str) -> None:
        self.verified: bool | None = None
        self._delivered = delivered
        self._core = delivered.rstrip()
        self._anchor = anchor_of(delivered)
        self._telling = len(self._anchor) >= _TELLING
        self._space = delivered[len(self._core) :]
        self._held = ""
        self._closing: _Closing | None = None

    def feed(self, text: str) -> str:
        if self.verified is None:
            self._held += text
            text = self._open(ended=False)
        return self._continue(text)

    def flush(self) -> str:
        """The end: everything that was still held back."""
        rest = "" if self.verified is not None else self._continue(self._open(ended=True))
        return rest + (self._closing.flush() if self._closing else "")

    def _open(self, *, ended: bool) -> str:
        """What follows the seam; empty while more must be seen."""
        held = self._held
        if not held:
            return ""
        if not self._core:
            self.verified = False
            return held
        found = held.find(self._anchor)
        lead_in = held[: found - self._repeated_before(found)] if found >= 0 else None
        if lead_in is not None and len(lead_in) <= _MOST_LEAD_IN:
            if self._may_lead(lead_in):
                return self._cut(lead_in, found + len(self._anchor))
            if self._telling:
                raise UpstreamBroken("The continuation repeats the answer after a text of its own.")
        if not ended and self._may_still_come():
            return ""
        return self._without_anchor(ended=ended)

    def _repeated_before(self, found: int) -> int:
        """Characters before the anchor that repeat what stands before it in `delivered`."""
        before = self._core[: len(self._core) - len(self._anchor)]
        length = 0
        while (
            length < min(found, len(before))
            and self._held[found - 1 - length] == before[len(before) - 1 - length]
        ):
            length += 1
        return length

    def _may_lead(self, lead_in: str) -> bool:
        """Whether `lead_in` is of the kind that models put before what they were asked for."""
        if _WRAPPER.fullmatch(lead_in):
            return True
        told = lead_in.lstrip()
        line = _LEAD_IN.match(told) if self._telling else None
        return line is not None and _WRAPPER.fullmatch(told, line.end()) is not None

    def _may_still_come(self) -> bool:
        """Whether what is held may yet turn out to be a lead-in and the end of `delivered`."""
        held = self._held
        if self._telling:
            return held[_MOST_LEAD_IN:] in self._core
        fence = _HALF_FENCE.search(held)
        wrapper = held[: fence.start()] if fence else held
        return held[min(_wrapper_end(wrapper), _MOST_LEAD_IN) :] in self._core or (
            fence is not None
            and _wrapper_end(wrapper) == fence.start()
            and len(held) < _MOST_LEAD_IN
        )

    def _without_anchor(self, *, ended: bool) -> str:
        start = _wrapper_end(self._held)
        opening = self._held[start:]
        for length in range(min(len(self._anchor), len(opening)), _TELLING - 1, -1):
            if self._overlaps(opening[:length]):
                return self._cut(self._held[:start], start + length)
        if ended and len(opening) >= _TELLING and self._anchor.startswith(opening.rstrip()):
            raise UpstreamBroken("The continuation ended while it repeated the answer.")
        self.verified = False
        return self._held

    def _overlaps(self, opening: str) -> bool:
        """Whether `opening` can be nothing but the last words again."""
        at = self._core.find(opening)
        return at == len(self._core) - len(opening) and _begins_word(self._core, at)

    def _cut(self, lead_in: str, end: int) -> str:
        self.verified = True
        openers = _OPENER.findall(lead_in)
        if openers:
            self._closing = _Closing(self._delivered, openers[-1])
        return self._held[end:]

    def _continue(self, text: str) -> str:
        """`text` without the white space at the seam that was delivered before."""
        while self.verified and self._space and text:
            if text[0] != self._space[0]:
                self._space = ""
                break
            text, self._space = text[1:], self._space[1:]
        return self._closing.feed(text) if self._closing and text else text


class _Closing:
    """Takes the closing quote of a wrapped continuation off its end, unless the text needs it."""

    def __init__(self, delivered: str, opener: str) -> None:
        self._opener = opener
        self._closer = _CLOSERS[opener]
        self._text = delivered
        self._held = ""

    def feed(self, text: str) -> str:
        text = self._held + text
        kept = len(text.rstrip(self._closer + " \t\r\n"))
        text, self._held = text[:kept], text[kept:]
        self._text += text
        return text

    def flush(self) -> str:
        if self._held.strip() != self._closer or self._open():
            return self._held
        return self._held[: self._held.index(self._closer)]

    def _open(self) -> bool:
        """Whether a quote that began in the text itself still waits for its end."""
        opened = self._text.count(self._opener)
        if self._opener == self._closer:
            return opened % 2 == 1
        return opened > self._text.count(self._closer)
