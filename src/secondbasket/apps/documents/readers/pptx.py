"""PPTX: a block a slide, its notes with it."""

from collections.abc import Iterable, Iterator
from typing import IO, Any

from pptx import Presentation

from secondbasket.apps.documents.block import Block


def blocks(file: IO[bytes]) -> Iterator[Block]:
    for number, slide in enumerate(Presentation(file).slides, 1):
        title = slide.shapes.title
        texts = list(_texts(slide.shapes))
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            texts.append(slide.notes_slide.notes_text_frame.text)
        heading = "" if title is None else title.text_frame.text
        yield Block(f"slide {number}", "\n\n".join(filter(None, texts)), heading)


def _texts(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _texts(shape.shapes)
        elif shape.has_text_frame:
            yield shape.text_frame.text
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                yield " | ".join(" ".join(cell.text_frame.text.split()) for cell in row.cells)
