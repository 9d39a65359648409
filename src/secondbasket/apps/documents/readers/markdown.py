"""Markdown: as it is written, below its headings."""

import re
from collections.abc import Iterator
from typing import IO

from secondbasket.apps.documents.block import Block
from secondbasket.apps.documents.outline import Outline
from secondbasket.apps.documents.readers.text import decoded

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*")


def blocks(file: IO[bytes]) -> Iterator[Block]:
    outline = Outline()
    section: list[str] = []
    fence = ""
    lines = decoded(file.read()).splitlines()
    front = _front(lines)
    outline.paragraph("\n".join(lines[1:front]))
    for line in lines[front and front + 1 :]:
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1][:3]
        heading = None if fence else _HEADING.fullmatch(line)
        underlined = None if fence else _UNDERLINE.fullmatch(line)
        if heading:
            outline.paragraph("\n".join(section))
            section = []
            yield from outline.heading(len(heading[1]), heading[2] or "")
        elif underlined and section and section[-1].strip():
            title = section.pop()
            outline.paragraph("\n".join(section))
            section = []
            yield from outline.heading(1 if underlined[1][0] == "=" else 2, title)
        else:
            section.append(line)
    outline.paragraph("\n".join(section))
    yield from outline.end()


def _front(lines: list[str]) -> int:
    """The line that ends the fields before the text; 0 where there are none."""
    if not lines or lines[0].rstrip() != "---":
        return 0
    ends = (number for number, line in enumerate(lines) if number and line.rstrip() == "---")
    return next(ends, 0)
