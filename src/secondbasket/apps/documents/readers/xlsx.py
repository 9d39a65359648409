"""XLSX: twenty rows of a sheet at a time, below the sheet's first row."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time
from typing import IO, Any

from openpyxl import load_workbook

from secondbasket.apps.documents.block import Block

_ROWS = 20


def blocks(file: IO[bytes]) -> Iterator[Block]:
    book = load_workbook(file, read_only=True, data_only=True)
    for sheet in book.worksheets:
        head = ""
        rows: list[tuple[int, str]] = []
        for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
            line = _line(values)
            if not line:
                continue
            head = head or line
            if rows and number > rows[0][0] + _ROWS - 1:
                yield _block(sheet.title, head, rows)
                rows = []
            rows.append((number, line))
        if rows:
            yield _block(sheet.title, head, rows)


def _block(title: str, head: str, rows: Sequence[tuple[int, str]]) -> Block:
    text = "\n".join(line for _, line in rows)
    place = f"sheet '{title}' rows {rows[0][0]}-{rows[-1][0]}"
    return Block(place, text, f"{title}: {head[:150]}")


def _line(values: Sequence[Any]) -> str:
    cells = [_cell(value) for value in values]
    while cells and not cells[-1]:
        cells.pop()
    return " | ".join(cells)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return " ".join(str(value).split())
