"""What a person would read of a web page: the text of its HTML, without its machinery.

One look from left to right, that ends where something is not closed: the time
is in proportion to the length, whatever the page is. The standard library's
parser is not so (CVE-2025-6069).
"""

import html
import re
from collections.abc import Iterator

_UNSEEN = frozenset("script style template noscript svg head iframe".split())
_BREAKS = frozenset(
    "address article aside blockquote br dd div dl dt footer form h1 h2 h3 h4 h5 h6 header hr li"
    " main nav ol p pre section table td th tr ul".split()
)
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)")
_ENDS = {tag: re.compile(rf"</{tag}\b", re.IGNORECASE) for tag in _UNSEEN}


def page_text(page: str) -> str:
    """The text of `page`, a line for each block."""
    lines = (" ".join(line.split()) for line in html.unescape("".join(_pieces(page))).split("\n"))
    return "\n".join(line for line in lines if line)


def _pieces(page: str) -> Iterator[str]:
    place = 0
    while (opens := page.find("<", place)) >= 0:
        # Where the source breaks a line is nothing that a reader sees.
        yield page[place:opens].replace("\n", " ")
        if page.startswith("<!--", opens):
            closes = page.find("-->", opens + 4)
            if closes < 0:
                return
            place = closes + 3
            continue
        found = _TAG.match(page, opens)
        if found is None:
            yield "<"
            place = opens + 1
            continue
        closes = page.find(">", found.end())
        if closes < 0:
            return
        place, tag = closes + 1, found[1].lower()
        if tag in _BREAKS:
            yield "\n"
        elif tag in _UNSEEN and page[opens + 1] != "/":
            end = _ENDS[tag].search(page, place)
            if end is None:
                return
            place = end.start()
    yield page[place:].replace("\n", " ")
