"""HTML: what a reader sees, below its headings."""

import re
from collections.abc import Iterator
from typing import IO

from bs4 import BeautifulSoup
from bs4.element import CData, NavigableString, Tag

from secondbasket.apps.documents.block import Block
from secondbasket.apps.documents.outline import Outline

_UNSEEN = "script style noscript template svg iframe object head".split()
_HEADING = re.compile(r"h([1-6])")
_PARAGRAPHS = frozenset(
    "address article aside blockquote dd div dl dt fieldset figure footer form header hr li main"
    " nav ol p pre section table tbody thead tr ul".split()
)


def blocks(file: IO[bytes]) -> Iterator[Block]:
    return blocks_of(file.read())


def blocks_of(content: bytes | str) -> Iterator[Block]:
    page = BeautifulSoup(content, "lxml")
    for each in page(_UNSEEN):
        each.decompose()
    outline = Outline()
    paragraph: list[str] = []
    title: Tag | None = None
    for node in page.descendants:
        if isinstance(node, Tag):
            if node.name == "br":
                paragraph.append("\n")
            heading = _HEADING.fullmatch(node.name)
            if heading or node.name in _PARAGRAPHS:
                outline.paragraph(_joined(paragraph))
                paragraph = []
            elif node.name in ("td", "th") and paragraph:
                paragraph.append(" | ")
            if heading:
                title = node
                yield from outline.heading(int(heading[1]), node.get_text(" "))
        # Comments and declarations are strings of other types.
        elif (
            isinstance(node, NavigableString)
            and type(node) in (NavigableString, CData)
            and not _within(node, title)
        ):
            paragraph.append(_text(node))
    outline.paragraph(_joined(paragraph))
    yield from outline.end()


def _within(node: NavigableString, title: Tag | None) -> bool:
    """Is it part of the heading that was met last?"""
    return title is not None and any(parent is title for parent in node.parents)


def _text(node: NavigableString) -> str:
    text = str(node)
    if node.find_parent("pre") is not None:
        return text
    return re.sub(r"\s+", " ", text)


def _joined(parts: list[str]) -> str:
    return "".join(parts)
