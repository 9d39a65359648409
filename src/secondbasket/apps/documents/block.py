"""A stretch of a document under one heading, and its division into passages."""

import re
import unicodedata
from collections.abc import Iterator

import msgspec

from secondbasket.core.document import Passage

# MiniLM was trained on 256 tokens, about a thousand letters of English.
MOST_LETTERS = 1000
_OVERLAP = 150
_LONGEST_HEADING = 200
# From the best place to part a text at to the worst.
_BREAKS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"(?<=[.!?])\s+"),
    re.compile(r"\n"),
    re.compile(r"\s"),
)
_BLANKS = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


class Block(msgspec.Struct, frozen=True):
    """`place` and `heading` as a passage has them; `text` of any length."""

    place: str
    text: str
    heading: str = ""


def passages(block: Block) -> Iterator[Passage]:
    """`block` in pieces of at most MOST_LETTERS; neighbours share up to a sentence."""
    text = tidy(block.text)
    if not text:
        return
    place = tidy(block.place)[:_LONGEST_HEADING]
    heading = tidy(block.heading)[-_LONGEST_HEADING:]
    pieces = list(_pieces(text))
    for number, piece in enumerate(pieces, 1):
        part = f"part {number} of {len(pieces)}" if len(pieces) > 1 else ""
        yield Passage(", ".join(filter(None, (place, part))), heading, piece)


def tidy(text: str) -> str:
    """`text` without what no database keeps and nobody reads: controls, runs of blanks."""
    letters = "".join(
        letter if letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cs") else " "
        for letter in unicodedata.normalize("NFC", text)
    )
    lines = (line.strip() for line in _BLANKS.sub(" ", letters).split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > MOST_LETTERS:
        end = _end(text, start)
        yield text[start:end].strip()
        start = _again(text, start, end)
    if text[start:].strip():
        yield text[start:].strip()


def _end(text: str, start: int) -> int:
    """Where the piece from `start` ends: at the last good break in its second half."""
    least, most = start + MOST_LETTERS // 2, start + MOST_LETTERS
    for each in _BREAKS:
        ends = [found.end() for found in each.finditer(text, least, most)]
        if ends:
            return ends[-1]
    return most


def _again(text: str, start: int, end: int) -> int:
    """Where the next piece begins: with the last sentence of this one, where that is short."""
    begins = [
        found.end() for found in _BREAKS[1].finditer(text, max(start + 1, end - _OVERLAP), end - 1)
    ]
    return begins[0] if begins else end
