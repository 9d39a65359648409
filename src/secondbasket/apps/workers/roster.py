"""Who there is to hand work to: the workers that ship, and those of this home's own folder."""

import os
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import msgspec

from secondbasket.apps.workers.worker_file import BadWorker, Finding, read_worker
from secondbasket.core.clock import timestamp
from secondbasket.core.worker import Worker
from secondbasket.errors import NotFound, StoreError

_ENDING = ".md"
_LARGEST = 64 * 1024


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A worker, or what is wrong with its file. `shipped`: it comes with the product.

    `since` is when its file was last changed, RFC 3339 in UTC; empty for a shipped one.
    """

    name: str
    shipped: bool
    worker: Worker | None = None
    findings: tuple[Finding, ...] = ()
    since: str = ""


class _File(msgspec.Struct, frozen=True):
    text: str
    since: str


class Roster:
    """`folder` holds the home's own workers, whose names win over shipped ones.

    `tools` tells every tool there is. Files are read when they are asked for: a
    changed one counts from the next task on.
    """

    def __init__(self, folder: Path, *, tools: Callable[[], Collection[str]]) -> None:
        self._folder = folder
        self._tools = tools

    def find(self, name: str) -> Worker:
        """Raises NotFound, BadWorker, StoreError."""
        files = self._files()
        found = files.get(name)
        if found is None:
            raise NotFound(
                f"There is no worker '{name[:64]}'.",
                hint=f"There is: {', '.join(sorted(files))}.",
            )
        return read_worker(name, found.text, tools=self._tools())

    def all(self) -> list[Listed]:
        """Every worker by name, also those whose file is not right. Raises StoreError."""
        listed = []
        for name, file in sorted(self._files().items()):
            plain = Listed(name=name, shipped=not file.since, since=file.since)
            try:
                worker = read_worker(name, file.text, tools=self._tools())
            except BadWorker as error:
                listed.append(msgspec.structs.replace(plain, findings=error.findings))
            else:
                listed.append(msgspec.structs.replace(plain, worker=worker))
        return listed

    def _files(self) -> dict[str, _File]:
        found = {}
        for entry in (files("secondbasket.apps.workers") / "shipped").iterdir():
            if entry.name.endswith(_ENDING):
                found[entry.name.removesuffix(_ENDING)] = _File(entry.read_text(), "")
        try:
            for path in self._folder.glob(f"*{_ENDING}"):
                with path.open("rb") as file:
                    text = file.read(_LARGEST + 1).decode(errors="replace")
                    changed = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
                found[path.name.removesuffix(_ENDING)] = _File(text, timestamp(changed))
        except OSError as exc:
            raise StoreError(f"The workers in '{self._folder}' cannot be read: {exc}.") from exc
        return found
