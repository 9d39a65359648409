"""Reads rows out of files: JSON Lines, CSV, Excel, and a query over an SQLite file."""

import csv
import io
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import msgspec

from secondbasket.core.data_set import DataRow
from secondbasket.errors import InvalidRequest
from secondbasket.models.data.rows import refuse, row_of

MOST_BYTES = 256 * 1024 * 1024
MOST_ROWS = 1_000_000

Placed = tuple[str, Mapping[str, Any]]


class Columns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which columns of a table make a row's messages; the others are kept beside them."""

    prompt: str = "prompt"
    answer: str = "answer"
    system: str | None = None
    query: str | None = None


def read_rows(path: Path, columns: Columns) -> list[DataRow]:
    """The rows of `path`, whose ending says what it is.

    Raises InvalidRequest naming the wrong rows by their place; then none is taken.
    """
    content = _bytes(path)
    source = f"file:sha256:{sha256(content).hexdigest()}"
    ending = path.suffix.lower()
    known: dict[str, Callable[[], Iterable[Placed]]] = {
        ".jsonl": lambda: _lines(path, content),
        ".csv": lambda: _csv(path, content, columns),
        ".xlsx": lambda: _xlsx(path, content, columns),
        ".db": lambda: _sqlite(path, columns),
        ".sqlite": lambda: _sqlite(path, columns),
    }
    if ending not in known:
        raise InvalidRequest(
            f"{path.name} is of no kind that data is read from.",
            hint=f"Known endings: {', '.join(known)}.",
        )
    rows: list[DataRow] = []
    wrong: list[tuple[str, str]] = []
    for place, row in known[ending]():
        try:
            rows.append(row_of(row, source, place))
        except ValueError as exc:
            wrong.append((place, str(exc)))
        if len(rows) > MOST_ROWS:
            raise InvalidRequest(f"{path.name} has more than {MOST_ROWS:,} rows.")
    refuse(path.name, wrong)
    if not rows:
        raise InvalidRequest(f"{path.name} has no rows.", hint="docs/data.md shows their form.")
    return rows


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise InvalidRequest(f"{path} cannot be read: {exc.strerror}.") from exc
    if len(content) > MOST_BYTES:
        raise InvalidRequest(
            f"{path.name} is larger than {MOST_BYTES:,} bytes.", hint="Import it in parts."
        )
    return content


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InvalidRequest(f"{path.name} is not UTF-8 text: {exc}.") from exc


def _lines(path: Path, content: bytes) -> Iterator[Placed]:
    _text(path, content)
    wrong: list[tuple[str, str]] = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield f"line {number}", msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as exc:
            wrong.append((f"line {number}", f"it is no JSON object: {exc}"))
    refuse(path.name, wrong)


def _csv(path: Path, content: bytes, columns: Columns) -> Iterator[Placed]:
    reader = csv.reader(io.StringIO(_text(path, content), newline=""), strict=True)
    try:
        header = next(reader, [])
        _require(path, header, columns)
        for values in reader:
            if not any(values):
                continue
            if len(values) != len(header):
                raise InvalidRequest(
                    f"{path.name}, line {reader.line_num}: it has {len(values)} values for"
                    f" {len(header)} columns."
                )
            row = dict(zip(header, values, strict=True))
            yield f"line {reader.line_num}", _example(row, columns)
    except csv.Error as exc:
        raise InvalidRequest(f"{path.name}, line {reader.line_num}: {exc}.") from exc


def _xlsx(path: Path, content: bytes, columns: Columns) -> Iterator[Placed]:
    # It takes a tenth of a second to load, and most data is no workbook.
    from openpyxl import load_workbook  # noqa: PLC0415 - as told
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415 - as told

    try:
        with ZipFile(io.BytesIO(content)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MOST_BYTES:
            raise InvalidRequest(
                f"{path.name} unpacks to {unpacked:,} bytes, and {MOST_BYTES:,} are read.",
                hint="Import it in parts.",
            )
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except (InvalidFileException, BadZipFile, KeyError, ValueError) as exc:
        raise InvalidRequest(f"{path.name} is no Excel workbook that can be read.") from exc
    with closing(book):
        for sheet in book.worksheets:
            rows = sheet.iter_rows(values_only=True)
            header = [str(each or "") for each in next(rows, ())]
            _require(path, header, columns)
            for number, values in enumerate(rows, start=2):
                row = {
                    name: value if isinstance(value, int | float | bool) else str(value)
                    for name, value in zip(header, values, strict=False)
                    if value is not None and name
                }
                if row:
                    yield f"sheet '{sheet.title}' row {number}", _example(row, columns)


def _sqlite(path: Path, columns: Columns) -> Iterator[Placed]:
    if columns.query is None:
        raise InvalidRequest(
            f"{path.name} is a database.",
            hint="Say what to read of it: --query 'SELECT prompt, answer FROM …'.",
        )
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA query_only = ON")
            found = connection.execute(columns.query)
            header = [each[0] for each in found.description or ()]
            _require(path, header, columns)
            for number, values in enumerate(found, start=1):
                row = {
                    name: value
                    for name, value in zip(header, values, strict=True)
                    if value is not None and not isinstance(value, bytes)
                }
                yield f"query row {number}", _example(row, columns)
    except sqlite3.Error as exc:
        raise InvalidRequest(f"{path.name} does not answer the query: {exc}.") from exc


def _require(path: Path, header: list[str], columns: Columns) -> None:
    named = (columns.prompt, columns.answer, columns.system)
    missing = [each for each in named if each is not None and each not in header]
    if missing:
        raise InvalidRequest(
            f"{path.name} has no column {', '.join(repr(each) for each in missing)}.",
            hint=f"Its columns: {', '.join(header)}. Name them with --prompt and --answer.",
        )


def _example(row: Mapping[str, Any], columns: Columns) -> Mapping[str, Any]:
    used = {columns.prompt, columns.answer, columns.system}
    messages = [
        {"role": "user", "content": str(row.get(columns.prompt, ""))},
        {"role": "assistant", "content": str(row.get(columns.answer, ""))},
    ]
    if columns.system is not None and row.get(columns.system):
        messages.insert(0, {"role": "system", "content": str(row[columns.system])})
    beside = {name: value for name, value in row.items() if name not in used}
    return {"messages": messages, **beside}
