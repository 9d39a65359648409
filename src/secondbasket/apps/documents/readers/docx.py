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
            if cell._tc is not last:  # noqa: SLF001 - a merged cell shows by it alone - a merged cell comes once for each column
                cells.append(" ".join(cell.text.split()))
            last = cell._tc  # noqa: SLF001
        rows.append(" | ".join(cells))
    return "\n".join(rows)
