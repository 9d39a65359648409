"""Data classes: how far a text may travel. Ordered, so that the highest of several is their max."""

from enum import IntEnum
from typing import Self


class DataClass(IntEnum):
    """The class of a request's data; a class is only ever raised."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    SECRET = 3

    @property
    def label(self) -> str:
        """Its name as settings, headers and people write it: 'confidential'."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The class with the label `text`, in any case. Raises ValueError that lists them."""
        for each in cls:
            if each.label == text.strip().lower():
                return each
        labels = ", ".join(each.label for each in cls)
        raise ValueError(f"{text[:40]!r} is not a data class; they are, from the lowest: {labels}")
