"""How answers are written: for people as tables and sentences, for scripts as one JSON document."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead."
)


# What steers a terminal in place of being shown: C0 and C1 but for \n and \t, and what turns the
# direction of writing, by which a text can be made to read as another.
_CONTROLS = (
    *(code for code in range(0x20) if code not in b"\n\t"),
    *range(0x7F, 0xA0),
    *(0x061C, 0x200E, 0x200F),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)
_BLANKS = dict.fromkeys(_CONTROLS, " ")
_ESCAPES = {code: f"\\u{code:04x}" for code in _CONTROLS}


def printable(text: str) -> str:
    """`text` for the terminal, where others wrote it: a blank for every control but \\n and \\t."""
    return text.translate(_BLANKS)


def emit(document: Any) -> None:
    """`document` (Structs, dicts, lists) as the one JSON document on standard output."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    click.echo(text.translate(_ESCAPES))


def note(text: str) -> None:
    """A remark for the person, on standard error: standard output is for the answer."""
    click.secho(printable(text), err=True, dim=True)


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
) -> None:
    """Columns as wide as what they hold; those at the positions `right` are flushed right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    click.secho(line(header), bold=True)
    for row in rows:
        click.echo(line(row))


def size(count: float) -> str:
    """Bytes for people: 98362432 → '98.4 MB'."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def seconds(count: float) -> str:
    """A duration for people: 3725.2 → '1 h 2 min'."""
    if count < 60:
        return f"{count:.1f} s"
    minutes = round(count / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def moment(text: str | None) -> str:
    """An RFC 3339 moment for a table: to the minute, in UTC."""
    return "" if text is None else text[:16].replace("T", " ")
