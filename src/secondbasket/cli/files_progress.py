"""How far an ingest is, on standard error."""

import sys
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import click

from secondbasket.core.document import FileRead


class FilesProgress:
    """One bar over all files; without a terminal, one line where the bar would begin."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._bar: Any = None
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def show(self, read: FileRead) -> None:
        """Move the bar to where the ingest is."""
        if self._bar is None:
            bar = click.progressbar(
                length=read.total, label="reading files", file=sys.stderr, show_pos=True
            )
            self._bar = self._open.enter_context(bar)
        # Some steps are left out where many come at once.
        self._bar.update(read.done - self._done)
        self._done = read.done
