"""How far a parity run is, on standard error."""

import sys
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import click

from secondbasket.cli.output import printable
from secondbasket.server.admin.words import CasesAsked


class CasesProgress:
    """A bar for each upstream; without a terminal, one line where the bar would begin."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._bar: Any = None
        self._upstream: str | None = None
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

    def show(self, asked: CasesAsked) -> None:
        """Move the bar to where the run is."""
        if asked.upstream != self._upstream:
            self._open.close()
            self._upstream, self._done = asked.upstream, 0
            bar = click.progressbar(
                length=asked.total,
                label=printable(f"asking {asked.upstream}"),
                file=sys.stderr,
                show_pos=True,
            )
            self._bar = self._open.enter_context(bar)
        self._bar.update(asked.done - self._done)
        self._done = asked.done
