"""What kind of document some bytes are: told by the bytes, and by the name only for texts."""

import zipfile
from typing import IO, Literal

from secondbasket.errors import DocumentError

Kind = Literal["pdf", "docx", "xlsx", "pptx", "html", "markdown", "text", "mail"]

BY_SUFFIX: dict[str, Kind] = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".xlsx": "xlsx",
    ".pptx": "pptx",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".csv": "text",
    ".tsv": "text",
    ".log": "text",
    ".eml": "mail",
}
_TEXTS = ("html", "markdown", "text", "mail")
_PARTS: dict[str, Kind] = {
    "word/document.xml": "docx",
    "xl/workbook.xml": "xlsx",
    "ppt/presentation.xml": "pptx",
}
_HEAD = 4096
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OLE_DIRECTORY = 1 << 20
_MOST_UNPACKED = 256 << 20
_MOST_PARTS = 20_000


def kind_of(file: IO[bytes], suffix: str) -> Kind:
    """The kind of `file`, which is left at its beginning. Raises DocumentError.

    `suffix` is that of its name, with the dot and in small letters.
    """
    head = file.read(_HEAD)
    file.seek(0)
    if not head:
        raise DocumentError("It is empty.")
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(_OLE):
        raise _office(file)
    if head.startswith(b"PK\x03\x04"):
        return _packed(file)
    named = BY_SUFFIX.get(suffix)
    if named not in _TEXTS:
        known = "" if named is None else f" It is called {suffix} and holds none."
        raise DocumentError(
            f"It is of no known kind.{known}",
            hint="PDF, DOCX, XLSX, PPTX, HTML, Markdown, plain text and mail (.eml) are read.",
        )
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DocumentError(f"It is called {suffix} and is no text.")
    return named


def _office(file: IO[bytes]) -> DocumentError:
    """Why a compound file is not read: what is encrypted lies in one, and old formats do."""
    content = file.read(_OLE_DIRECTORY)
    size = file.seek(0, 2)
    file.seek(max(0, size - _OLE_DIRECTORY))
    if _ENCRYPTED in content or _ENCRYPTED in file.read():
        return DocumentError("It is encrypted.", hint="Save it without a password.")
    return DocumentError(
        "It is of an older Office format.", hint="Save it as .docx, .xlsx or .pptx."
    )


def _packed(file: IO[bytes]) -> Kind:
    """The kind of a ZIP file, once it is seen that unpacking it harms nobody."""
    try:
        with zipfile.ZipFile(file) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        raise DocumentError(
            "It is broken: its end is missing or damaged.", hint="Copy it again from where it is."
        ) from exc
    finally:
        file.seek(0)
    # A part cannot unpack to more than it declares: reading stops there.
    unpacked = sum(part.file_size for part in parts)
    if unpacked > _MOST_UNPACKED or len(parts) > _MOST_PARTS:
        raise DocumentError(
            f"It unpacks to {unpacked:,} bytes in {len(parts):,} parts, which is too much"
            f" (at most {_MOST_UNPACKED:,} in {_MOST_PARTS:,}).",
            hint="Split it, where it is what it says it is.",
        )
    names = {part.filename for part in parts}
    for name, kind in _PARTS.items():
        if name in names:
            return kind
    raise DocumentError("It is a ZIP file, and no document.", hint="Unpack it, and add the folder.")
