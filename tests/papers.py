"""Real files of every kind that is read, and of every kind of bad one."""

import io
import zipfile
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path

from docx import Document
from openpyxl import Workbook
from pptx import Presentation
from pypdf import PdfReader, PdfWriter


def pdf(path: Path, pages: Sequence[str], *, password: str | None = None) -> Path:
    """Each of `pages` is one line of plain letters; the file is written object by object."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]"
            f" /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>"
        )
        content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    body = b"%PDF-1.4\n"
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{each}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    body += (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    ).encode()
    if password is not None:
        writer = PdfWriter(clone_from=PdfReader(io.BytesIO(body)))
        writer.encrypt(password, algorithm="AES-256")
        writer.write(path)
        return path
    path.write_bytes(body)
    return path


def docx(path: Path) -> Path:
    document = Document()
    document.add_heading("Handbook", 1)
    document.add_heading("Travel", 2)
    document.add_paragraph("Trains are booked by the office.")
    table = document.add_table(2, 2)
    for cell, text in zip(
        [cell for row in table.rows for cell in row.cells],
        ["City", "Hotel", "Lyon", "Hotel du Parc"],
        strict=True,
    ):
        cell.text = text
    document.add_heading("Holidays", 2)
    document.add_paragraph("Everybody has thirty days.")
    document.save(str(path))
    return path


def xlsx(path: Path) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Prices"
    sheet.append(["Article", "Price"])
    for number in range(1, 45):
        sheet.append([f"screw {number}", number * 1.5])
    book.create_sheet("Empty")
    book.save(path)
    return path


def pptx(path: Path) -> Path:
    show = Presentation()
    for title, text in (("Plan", "Open a branch in Porto."), ("Risks", "The rent may rise.")):
        slide = show.slides.add_slide(show.slide_layouts[1])
        assert slide.shapes.title is not None
        slide.shapes.title.text_frame.text = title
        slide.placeholders[1].text_frame.text = text
    notes = show.slides[1].notes_slide.notes_text_frame
    assert notes is not None
    notes.text = "Ask the landlord."
    show.save(str(path))
    return path


HTML = """<!doctype html><html><head><title>No text</title><style>p { color: red }</style></head>
<body><script>alert("never")</script><!-- hidden --><h1>Manual</h1><p>Press the <b>green</b>
button.</p><h2>Repair</h2><ul><li>Unplug it</li><li>Open it</li></ul></body></html>"""

MARKDOWN = """---
title: A box
---
Before all headings.

# Setup
Take the box.

## Linux ##
```sh
# no heading
apt install box
```

Usage
-----
Turn it on.
"""


def mail(path: Path, attachment: Path) -> Path:
    message = EmailMessage()
    message["From"] = "ann@example.org"
    message["To"] = "bob@example.org"
    message["Subject"] = "The contract with Müller"
    message.set_content("Please read page two.\n")
    message.add_attachment(
        attachment.read_bytes(),
        maintype="application",
        subtype="octet-stream",
        filename=attachment.name,
    )
    path.write_bytes(message.as_bytes())
    return path


def bomb(path: Path, *, megabytes: int) -> Path:
    """A workbook whose sheet unpacks to as much; its rows are well-formed to the end."""
    xlsx(path)
    parts = {}
    with zipfile.ZipFile(path) as packed:
        for name in packed.namelist():
            parts[name] = packed.read(name)
    row = b"<row><c t='inlineStr'><is><t>" + b"a" * 1000 + b"</t></is></c></row>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            if name != "xl/worksheets/sheet1.xml":
                packed.writestr(name, content)
                continue
            with packed.open(name, "w", force_zip64=True) as sheet:
                sheet.write(
                    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
                    b"<sheetData>"
                )
                for _ in range(megabytes * 1000):
                    sheet.write(row)
                sheet.write(b"</sheetData></worksheet>")
    return path
