"""The reports that are kept: a signed JSON file and a page to print for each drill."""

import re
from pathlib import Path
from typing import Any

import msgspec

from secondbasket.errors import NotFound, StoreError
from secondbasket.stores.home import write_private

_ID = re.compile(r"drill_[0-9a-hjkmnp-tv-z]{26}")


class Shelf:
    """Reports in `folder`, the newest `keep` of them. Every id is checked before a path is made."""

    def __init__(self, folder: Path, *, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def report_file(self, drill: str) -> Path:
        """Raises NotFound for what no drill is called."""
        return self._file(drill, ".json")

    def page_file(self, drill: str) -> Path:
        """Raises NotFound for what no drill is called."""
        return self._file(drill, ".html")

    def put(self, drill: str, document: dict[str, Any], page: str) -> None:
        """Keep a signed report and its page; the oldest go. Raises StoreError."""
        text = msgspec.json.format(msgspec.json.encode(document), indent=2)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_private(self.page_file(drill), page.encode())
            write_private(self.report_file(drill), text + b"\n")
            for old in self._ids()[: -self._keep]:
                self.report_file(old).unlink(missing_ok=True)
                self.page_file(old).unlink(missing_ok=True)
        except OSError as exc:
            raise StoreError(
                f"The report of the drill cannot be written: {exc.strerror}.",
                hint="Make room on the disk of the home, or mend its permissions.",
            ) from exc

    def report(self, drill: str) -> dict[str, Any]:
        """The signed report. Raises NotFound, StoreError."""
        try:
            document: dict[str, Any] = msgspec.json.decode(self._read(self.report_file(drill)))
        except msgspec.DecodeError as exc:
            raise StoreError(f"The report {drill} is damaged: {exc}.") from exc
        return document

    def page(self, drill: str) -> bytes:
        """The page, HTML in UTF-8. Raises NotFound, StoreError."""
        return self._read(self.page_file(drill))

    def _ids(self) -> list[str]:
        """Oldest first: ids begin with their moment."""
        return sorted(path.stem for path in self._folder.glob("*.json") if _ID.fullmatch(path.stem))

    def _file(self, drill: str, suffix: str) -> Path:
        if not _ID.fullmatch(drill):
            raise _no_such(drill)
        return self._folder / f"{drill}{suffix}"

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError as exc:
            raise _no_such(path.stem) from exc
        except OSError as exc:
            raise StoreError(f"The report {path.stem} cannot be read: {exc.strerror}.") from exc


def _no_such(drill: str) -> NotFound:
    return NotFound(
        f"There is no report of a drill '{drill[:64]}'.",
        hint="`basket drill list` shows them; the oldest are not kept.",
    )
