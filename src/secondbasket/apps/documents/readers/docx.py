"""DOCX: paragraphs and tables below their headings."""

import re
from collections.abc import Iterator
from typing import IO

from docx import Document
from docx.table import Table

from secondbasket.apps.documents.block import Block
from secondbasket.apps.documents.outline import Outline

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)


def blocks(file: IO[bytes]) -> Iterator[Block]:
    outline = Outline()
    for each in Document(file).iter_inner_content():
        if isinstance(each, Table):
            outline.paragraph(_table(each))
            continue
        style = each.style.name if each.style is not None else None
        found = _HEADING.fullmatch(style or "")
        if found or style == "Title":
            yield from outline.heading(int(found[1]) if found else 1, each.text)
        else:
            outline.paragraph(each.text)
    yield from outline.end()


def _table(table: Table) -> str:
    rows = []
    for row in table.rows:
        cells = []
        last = None
        for cell in row.cells:
            # A merged cell comes once for each column, and this alone shows that it is the same.
            place = cell._tc  # noqa: SLF001 - as told
            if place is not last:
                cells.append(" ".join(cell.text.split()))
            last = place
        rows.append(" | ".join(cells))
    return "\n".join(rows)
