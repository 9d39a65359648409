"""A task's log as its page tells it. Pure: entries in, what is to be read out."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from secondbasket.apps.tasks.results import Result, missed, result_of, since_plan, together, written
from secondbasket.core.task import Called, Entry, LoggedEntry, Planned, Task, Turned
from secondbasket.core.tool import Citation
from secondbasket.core.worker import Check, PlanStep

Progress = Literal["to come", "at work", "done"]

_PURPOSES = {
    "plan": "The model planned",
    "answer": "The model answered",
    "act": "The model chose what to do",
}


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the plan: how far it is, how often something was done for it, and its criteria,
    each with whether it is met."""

    step: PlanStep
    progress: Progress
    entries: int
    checks: Sequence[tuple[str, bool]]


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the log. `given` is what a tool was called with, `data` what came back as
    data; None where there is none."""

    logged: LoggedEntry
    title: str
    step: str = ""
    error: str = ""
    given: Any = None
    text: str = ""
    data: Any = None
    from_outside: bool = False
    files: Sequence[str] = ()
    citations: Sequence[Citation] = ()
    key: str = ""
    request_id: str = ""
    tokens: int = 0
    cost: int = 0


def plan_of(task: Task, log: Sequence[LoggedEntry]) -> list[StepView]:
    """The plan in force, step by step; empty while there is none."""
    entries = [each.entry for each in log]
    plan, done, _ = since_plan(entries)
    results = {step.id: _result(step, done) for step in plan or ()}
    files = written(entries)
    begun = [step.id for step in plan or () if _own(step, done)]
    views = []
    for step in plan or ():
        own = len(_own(step, done))
        result = results[step.id]
        checks = [
            (criterion(check, step), not missed(check, step, results, files))
            for check in step.checks
        ]
        # One call or one answer is the whole of such a step.
        whole = bool(step.tool or step.ask) and not step.each and not result.error
        last = bool(begun) and begun[-1] == step.id
        progress: Progress = "to come"
        if task.state == "done" or (own and not last):
            progress = "done"
        elif own:
            progress = "done" if whole and all(met for _, met in checks) else "at work"
        views.append(
            StepView(
                step=step,
                progress=progress,
                entries=own,
                checks=checks,
            )
        )
    return views


def criterion(check: Check, step: PlanStep) -> str:
    """A success criterion in words."""
    of = check.of or step.id
    told = {
        "written": f"the file {check.of} is written",
        "said": f"{of} brings something",
        "contains": f"{of} holds “{check.text}”",
        "cites": f"{of} names its source",
        "equals": f"{of} is “{check.text}”",
    }
    return told[check.kind]


def entries_of(log: Sequence[LoggedEntry]) -> list[EntryView]:
    """The log, in its order."""
    return [_view(each, each.entry) for each in log]


def citations_of(log: Sequence[LoggedEntry]) -> list[Citation]:
    """Every source that was named, once, in the order of naming."""
    named = (c for each in log if isinstance(each.entry, Called) for c in each.entry.citations)
    return list(dict.fromkeys(named))


def _view(logged: LoggedEntry, entry: Entry) -> EntryView:
    if isinstance(entry, Planned):
        steps = "1 step" if len(entry.steps) == 1 else f"{len(entry.steps)} steps"
        return EntryView(logged=logged, title=f"A plan of {steps}")
    if isinstance(entry, Turned):
        return EntryView(
            logged=logged,
            title=_PURPOSES[entry.purpose],
            step=_place(entry),
            error=entry.error,
            text=entry.text,
            request_id=entry.request_id,
            tokens=entry.input_tokens + entry.output_tokens,
            cost=entry.cost,
        )
    return EntryView(
        logged=logged,
        title=entry.tool,
        step=_place(entry),
        error=entry.error,
        given=entry.arguments,
        text=entry.text,
        data=None if entry.text else entry.data,
        from_outside=entry.from_outside,
        files=entry.files,
        citations=entry.citations,
        key=entry.key,
    )


def _place(entry: Turned | Called) -> str:
    return f"{entry.step}, item {entry.item + 1}" if entry.item else entry.step


def _own(step: PlanStep, entries: Sequence[Entry]) -> list[Turned | Called]:
    return [entry for entry in entries if not isinstance(entry, Planned) and entry.step == step.id]


def _result(step: PlanStep, entries: Sequence[Entry]) -> Result:
    """What a step brought so far: the latest of each of its items."""
    latest = {entry.item: result_of(entry) for entry in _own(step, entries)}
    if not latest:
        return Result()
    return together(list(latest.values())) if step.each else latest[max(latest)]
