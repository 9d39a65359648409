"""The progress of long work, on standard error."""

import sys
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import click

from secondbasket.cli.output import note, printable, size
from secondbasket.core.ports import PullProgress


class Progress:
    """A bar for each stage of each file; without a terminal, one line where the bar would begin."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._bar: Any = None
        self._shown: tuple[str, str] | None = None
        self._received = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def show(self, progress: PullProgress) -> None:
        """Move the bar to where `progress` is."""
        if (progress.file, progress.stage) != self._shown:
            self._begin(progress)
        if self._bar is not None:
            told = f"{size(progress.received)} of {size(progress.total or 0)}"
            self._bar.update(progress.received - self._received, told)
            self._received = progress.received

    def _begin(self, progress: PullProgress) -> None:
        self._open.close()
        self._shown = (progress.file, progress.stage)
        self._received = 0
        self._bar = None
        label = printable(f"{progress.stage} {progress.file}")
        if progress.stage == "done":
            return
        if progress.total is None:
            note(label)
            return
        bar = click.progressbar(
            length=progress.total,
            label=label,
            file=sys.stderr,
            item_show_func=lambda told: told,
        )
        self._bar = self._open.enter_context(bar)
