"""Who there is to hand work to: the workers that ship, and those of this home's own folder."""

from collections.abc import Callable, Collection
from importlib.resources import files
from pathlib import Path

import msgspec

from secondbasket.apps.workers.worker_file import BadWorker, Finding, read_worker
from secondbasket.core.worker import Worker
from secondbasket.errors import NotFound, StoreError

_ENDING = ".md"
_LARGEST = 64 * 1024


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A worker, or what is wrong with its file. `shipped`: it comes with the product."""

    name: str
    shipped: bool
    worker: Worker | None = None
    findings: tuple[Finding, ...] = ()


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
        text = self._texts().get(name)
        if text is None:
            raise NotFound(
                f"There is no worker '{name[:64]}'.",
                hint=f"There is: {', '.join(sorted(self._texts()))}.",
            )
        return read_worker(name, text[0], tools=self._tools())

    def all(self) -> list[Listed]:
        """Every worker by name, also those whose file is not right. Raises StoreError."""
        listed = []
        for name, (text, shipped) in sorted(self._texts().items()):
            try:
                worker = read_worker(name, text, tools=self._tools())
            except BadWorker as error:
                listed.append(Listed(name=name, shipped=shipped, findings=error.findings))
            else:
                listed.append(Listed(name=name, shipped=shipped, worker=worker))
        return listed

    def _texts(self) -> dict[str, tuple[str, bool]]:
        found = {}
        for entry in (files("secondbasket.apps.workers") / "shipped").iterdir():
            if entry.name.endswith(_ENDING):
                found[entry.name.removesuffix(_ENDING)] = (entry.read_text(), True)
        try:
            for path in self._folder.glob(f"*{_ENDING}"):
                with path.open("rb") as file:
                    text = file.read(_LARGEST + 1).decode(errors="replace")
                found[path.name.removesuffix(_ENDING)] = (text, False)
        except OSError as exc:
            raise StoreError(f"The workers in '{self._folder}' cannot be read: {exc}.") from exc
        return found
