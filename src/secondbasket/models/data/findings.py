"""Personal data and secrets in rows, as the policy's detectors find them, and taking them out."""

import hmac
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

from secondbasket.core.data_class import DataClass
from secondbasket.core.ports import Detector
from secondbasket.core.reading import Reading

_MARK_DIGITS = 8
_MOST_TAKEN = 200


class Findings:
    """`detectors` with the class that each raises a text to. `secret` makes the marks stable
    within one home, and says nothing to whoever tries telephone numbers against them."""

    def __init__(self, detectors: Sequence[tuple[Detector, DataClass]], secret: bytes) -> None:
        self._detectors = detectors
        self._secret = secret

    def count(self, text: str) -> dict[str, int]:
        """How often each kind is in `text`, those that are not left out."""
        reading = Reading(text)
        counts = {each.name: each.count(reading) for each, _ in self._detectors}
        return {name: count for name, count in counts.items() if count}

    def highest(self, kinds: Mapping[str, int]) -> DataClass:
        """The class that what was found raises a row to."""
        classes = [data_class for each, data_class in self._detectors if each.name in kinds]
        return max(classes, default=DataClass.PUBLIC)

    def redact(self, value: Any, taken: Counter[str]) -> Any:
        """`value`, a row or a part of one, with a mark like '[email_address 1a2b3c4d]' in place of
        each finding, the same for the same; `taken` counts them by kind."""
        if isinstance(value, str):
            return self._redact(value, taken)
        if isinstance(value, Mapping):
            return {name: self.redact(each, taken) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact(each, taken) for each in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value)
            redacted = self._redact(text, taken)
            return value if redacted == text else redacted
        return value

    def _redact(self, text: str, taken: Counter[str]) -> str:
        for detector, _ in self._detectors:
            for _ in range(_MOST_TAKEN):
                if not _found(detector, text):
                    break
                start, end = _span(text, partial(_found, detector))
                taken[detector.name] += 1
                marked = f"{text[:start]}{self._mark(detector.name, text[start:end])}{text[end:]}"
                text = marked
            else:
                # What still is found after so many, or in the marks themselves, goes as a whole.
                text = self._mark(detector.name, text)
        return text

    def _mark(self, kind: str, found: str) -> str:
        told = "".join(found.casefold().split()).encode(errors="replace")
        digest = hmac.new(self._secret, told, sha256).hexdigest()
        # Letters alone: digits would be a number of their own to the next detector.
        return f"[{kind} {digest[:_MARK_DIGITS].translate(_LETTERS)}]"


_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_WITHIN = ".+%-_'"


def _found(detector: Detector, text: str) -> bool:
    return detector.count(Reading(text)) > 0


def _span(text: str, found: Callable[[str], bool]) -> tuple[int, int]:
    """(start, end) of one finding: detectors tell how many and not where, so they are asked again.

    The shortest beginning of the text that has one, and of that the shortest end.
    """
    stops = [index for index, each in enumerate(text) if not each.isalnum()] + [len(text)]
    low, high = 0, len(stops) - 1
    while low < high:
        middle = (low + high) // 2
        if found(text[: stops[middle]]):
            high = middle
        else:
            low = middle + 1
    end = stops[low]
    if not found(text[:end]):
        return 0, len(text)
    starts = [0] + [stop + 1 for stop in stops if stop < end]
    low, high = 0, len(starts) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if found(text[starts[middle] : end]):
            low = middle
        else:
            high = middle - 1
    start = starts[low]
    # The shortest that is still an address is not all of it: 'lee@firm.example' of 'ann.lee@…'.
    while start > 0 and (text[start - 1].isalnum() or text[start - 1] in _WITHIN):
        start -= 1
    while not text[start].isalnum():
        start += 1
    return start, _whole(text, start, end, found)


def _whole(text: str, start: int, end: int, found: Callable[[str], bool]) -> int:
    """Its end, moved on while more of the same word belongs to it: 'a@b.co' is not all of
    'a@b.co.uk', and half a number must not stay behind."""
    while end < len(text) and not text[end].isspace():
        nearest = end + 1
        while nearest < len(text) and text[nearest].isalnum():
            nearest += 1
        if nearest == end + 1 or not found(text[start:nearest]):
            break
        end = nearest
    return end
