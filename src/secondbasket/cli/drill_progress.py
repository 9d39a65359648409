"""How a drill goes, on standard error while it runs."""

import sys
from types import TracebackType
from typing import Self

import click

from secondbasket.cli.output import note, printable
from secondbasket.core.drill import DrillMoment, DrillPhase, DrillPlan

_PHASES: dict[DrillPhase, str] = {
    "waiting": "waiting until all of the basket is up",
    "before": "as it is",
    "cut": "CUT",
    "after": "given back",
    "done": "done",
    "broken off": "broken off",
}


class DrillProgress:
    """One line that changes, on a terminal; elsewhere a line for each phase."""

    def __init__(self, plan: DrillPlan) -> None:
        self._cuts = ", ".join(plan.cuts)
        self._phase: DrillPhase | None = None
        self._terminal = sys.stderr.isatty()
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._width:
            click.echo(err=True)

    def show(self, moment: DrillMoment) -> None:
        text = self._line(moment)
        if self._terminal:
            click.echo(f"\r{text.ljust(self._width)}", nl=False, err=True)
            self._width = len(text)
        elif moment.phase != self._phase:
            note(text)
        self._phase = moment.phase

    def _line(self, moment: DrillMoment) -> str:
        phase = _PHASES[moment.phase]
        if moment.phase == "waiting":
            return printable(f"drill of {self._cuts}: {phase}")
        answers = ", ".join(f"{name} {count}" for name, count in moment.answered_by.items())
        switch = "" if moment.switch_ms is None else f", last switch {moment.switch_ms:.0f} ms"
        lost = "".join(
            f", {count} {word}"
            for count, word in (
                (moment.refused_by_policy, "refused by policy"),
                (moment.failed, "failed"),
            )
            if count
        )
        return printable(
            f"{moment.at:5.1f} s of {moment.seconds:g} s, {phase}: {moment.answered} answered"
            f"{f' ({answers})' * bool(answers)}{lost}{switch}"
        )
