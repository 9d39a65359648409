"""A report of work in the words that doors and command line share."""

from collections.abc import Sequence

import msgspec

from secondbasket.core.task import Approval, Effect, Task


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One task of a report. `minutes` is the time its steps took; `changed` are the calls that
    wrote or reached out and are known to have happened; `deliverables` are paths."""

    task: Task
    minutes: float
    changed: Sequence[str] = ()
    deliverables: Sequence[str] = ()


class MorningReport(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in [since, until), and what is left; costs in nano-units of `currency`.

    `waiting` and `uncertain` are for a person to answer; `next` is what goes on
    by itself.
    """

    since: str
    until: str
    currency: str
    done: Sequence[Line]
    failed: Sequence[Line]
    waiting: Sequence[Approval]
    uncertain: Sequence[Effect]
    next: Sequence[Task]
    cost: int
    minutes: float
    input_tokens: int
    output_tokens: int
