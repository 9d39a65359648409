"""Headings as they are met, and the text below each: how documents that flow become blocks."""

from collections.abc import Iterator

from secondbasket.apps.documents.block import Block


class Outline:
    """Takes headings and paragraphs in their order; what is complete comes out of `heading` and
    `end`."""

    def __init__(self) -> None:
        self._path: list[tuple[int, str]] = []
        self._paragraphs: list[str] = []

    def heading(self, level: int, title: str) -> Iterator[Block]:
        """`title` at `level` (1 is the highest); the block before it, where there is one."""
        yield from self.end()
        self._path = [each for each in self._path if each[0] < level]
        title = " ".join(title.split())
        if title:
            self._path.append((level, title))

    def paragraph(self, text: str) -> None:
        if text.strip():
            self._paragraphs.append(text)

    def end(self) -> Iterator[Block]:
        text = "\n\n".join(self._paragraphs)
        self._paragraphs = []
        path = " > ".join(title for _, title in self._path)
        if text:
            yield Block(path, text, path)
