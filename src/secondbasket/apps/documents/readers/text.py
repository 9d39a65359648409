"""Plain text: paragraphs together as far as a passage goes, with their lines."""

import codecs
from collections.abc import Iterator
from typing import IO

from secondbasket.apps.documents.block import MOST_LETTERS, Block

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def blocks(file: IO[bytes]) -> Iterator[Block]:
    lines = decoded(file.read()).splitlines()
    begin, size = 0, 0
    for number, line in enumerate(lines):
        full = size + len(line) > MOST_LETTERS
        if size and (full or (not line.strip() and size > MOST_LETTERS * 2 // 3)):
            yield _block(lines, begin, number)
            begin, size = number, 0
        if size or line.strip():
            size += len(line) + 1
        else:
            begin = number + 1
    if size:
        yield _block(lines, begin, len(lines))


def decoded(content: bytes) -> str:
    """The text that `content` is: UTF-8 or what its first bytes say, else Windows' Latin."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _block(lines: list[str], begin: int, end: int) -> Block:
    while end > begin + 1 and not lines[end - 1].strip():
        end -= 1
    place = f"line {begin + 1}" if end == begin + 1 else f"lines {begin + 1}-{end}"
    return Block(place, "\n".join(lines[begin:end]))
