"""PDF, page by page."""

from collections.abc import Iterator
from typing import IO

from pypdf import PdfReader

from secondbasket.apps.documents.block import Block
from secondbasket.errors import DocumentError


def blocks(file: IO[bytes]) -> Iterator[Block]:
    reader = PdfReader(file)
    # Many are encrypted with no password, only to forbid printing.
    if reader.is_encrypted and not reader.decrypt(""):
        raise DocumentError("It is encrypted.", hint="Save it without a password.")
    for number, page in enumerate(reader.pages, 1):
        yield Block(f"page {number}", page.extract_text())
