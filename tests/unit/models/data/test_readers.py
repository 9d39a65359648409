"""Rows out of files, and what is wrong with a file by its place."""

import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from openpyxl import Workbook

from secondbasket.errors import InvalidRequest
from secondbasket.models.data.readers import MOST_BYTES, Columns, read_rows

GOOD = {"messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]}


def test_json_lines_keep_what_stands_beside_and_name_their_place(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(f"{json.dumps(GOOD | {'line': 7})}\n\n{json.dumps(GOOD)}\n")
    first, second = read_rows(file, Columns())
    assert (first.content["line"], first.place, second.place) == (7, "line 1", "line 3")
    assert first.source == second.source
    assert first.source.startswith("file:sha256:")
    assert first.digest != second.digest


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: it is no JSON object"),
        ("{}", "line 2: 'messages' is no list"),
        ('{"messages": [{"role": "assistant", "content": "b"}]}', "needs a question"),
        (json.dumps({"messages": GOOD["messages"][::-1]}), "the last message is the answer"),
        ('{"messages": [{"role": "judge"}, {"role": "assistant"}]}', "'judge' is no role"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_taken(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(f"{json.dumps(GOOD)}\n{line}\n")
    with pytest.raises(InvalidRequest, match=told):
        read_rows(file, Columns())


def test_tables_make_messages_of_their_columns(tmp_path: Path) -> None:
    table = [["note", "code", "shift"], ["scratch", "C1", "2"], ["bridge, wide", "C2", "3"]]
    plain = tmp_path / "x.csv"
    plain.write_text('note,code,shift\nscratch,C1,2\n"bridge, wide",C2,3\n')
    book = Workbook()
    assert book.active is not None
    for each in table:
        book.active.append(each)
    book.save(tmp_path / "x.xlsx")
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE notes (note, code, shift)")
        connection.executemany("INSERT INTO notes VALUES (?, ?, ?)", table[1:])
        connection.commit()
    columns = Columns(prompt="note", answer="code", query="SELECT * FROM notes ORDER BY shift")
    read = {
        ending: read_rows(tmp_path / f"x.{ending}", columns) for ending in ("csv", "xlsx", "db")
    }
    for rows in read.values():
        assert [each.content for each in rows] == [each.content for each in read["csv"]]
        assert rows[1].content["shift"] == "3"
        assert [each["content"] for each in rows[1].content["messages"]] == ["bridge, wide", "C2"]
    assert [read[ending][1].place for ending in read] == [
        "line 3",
        "sheet 'Sheet' row 3",
        "query row 2",
    ]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidRequest, match="no column 'prompt', 'answer'"):
        read_rows(tmp_path / "x.csv", Columns())
    (tmp_path / "y.csv").write_text("prompt,answer\n1,2,3\n")
    with pytest.raises(InvalidRequest, match="line 2: it has 3 values for 2 columns"):
        read_rows(tmp_path / "y.csv", Columns())
    (tmp_path / "x.xlsx").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(InvalidRequest, match="no Excel workbook"):
        read_rows(tmp_path / "x.xlsx", Columns())
    _bomb(tmp_path / "bomb.xlsx", MOST_BYTES)
    assert (tmp_path / "bomb.xlsx").stat().st_size < MOST_BYTES // 500
    with pytest.raises(InvalidRequest, match="unpacks to"):
        read_rows(tmp_path / "bomb.xlsx", Columns())
    (tmp_path / "x.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidRequest, match="not UTF-8"):
        read_rows(tmp_path / "x.jsonl", Columns())
    sqlite3.connect(tmp_path / "x.db").close()
    with pytest.raises(InvalidRequest, match="does not answer the query"):
        read_rows(tmp_path / "x.db", Columns(query="DROP TABLE notes"))
    with pytest.raises(InvalidRequest, match="no kind that data is read from"):
        read_rows(_touched(tmp_path / "x.pickle"), Columns())


def _bomb(path: Path, size: int) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts,
        parts.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet,
    ):
        for _ in range(size // 2**20 + 1):
            sheet.write(bytes(2**20))


def _touched(path: Path) -> Path:
    path.touch()
    return path
