"""What the steps of a plan have brought so far, read from a task's log."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from secondbasket.core.task import Called, Entry, Planned, Turned
from secondbasket.core.tool import Citation
from secondbasket.core.worker import Check, PlanStep


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one step, or one item of it, brought. `error` says why it brought nothing.

    `parts` are those of its items, where it was done for several.
    """

    text: str = ""
    data: Any = None
    error: str = ""
    files: Sequence[str] = ()
    citations: Sequence[Citation] = ()
    parts: "Sequence[Result]" = ()


def since_plan(log: Sequence[Entry]) -> tuple[Sequence[PlanStep] | None, Sequence[Entry], int]:
    """The plan in force, what was done under it, and how many plans there were."""
    plans = [position for position, entry in enumerate(log) if isinstance(entry, Planned)]
    if not plans:
        return None, log, 0
    entry = log[plans[-1]]
    assert isinstance(entry, Planned)
    return entry.steps, log[plans[-1] + 1 :], len(plans)


def under(entries: Sequence[Entry], step: str, item: int) -> list[Turned | Called]:
    """The entries of one item of a step."""
    return [
        entry
        for entry in entries
        if not isinstance(entry, Planned) and (entry.step, entry.item) == (step, item)
    ]


def result_of(entry: Turned | Called) -> Result:
    if isinstance(entry, Turned):
        return Result(text=entry.text, data=entry.data, error=entry.error)
    return Result(
        text=entry.text,
        data=entry.data,
        error=entry.error,
        files=entry.files,
        citations=entry.citations,
    )


def together(results: Sequence[Result]) -> Result:
    """A step that was done for several items, as one: an error where every one has one."""
    errors = [each.error for each in results if each.error]
    return Result(
        text="\n".join(each.text for each in results if each.text),
        data=[each.data for each in results if not each.error],
        error=errors[0] if errors and len(errors) == len(results) else "",
        files=[name for each in results for name in each.files],
        citations=[citation for each in results for citation in each.citations],
        parts=results,
    )


def written(log: Sequence[Entry]) -> list[str]:
    """Files that tools wrote, each once, in the order they were first written."""
    names = (name for entry in log if isinstance(entry, Called) for name in entry.files)
    return list(dict.fromkeys(names))


def missed(
    check: Check, step: PlanStep, results: Mapping[str, Result], files: Sequence[str]
) -> str:
    """What is missing for a criterion; empty where it is met."""
    of = check.of or step.id
    result = results.get(of, Result())
    holds = {
        "written": check.of in files,
        "said": bool(result.text.strip()) or bool(result.data),
        "contains": check.text.casefold() in result.text.casefold(),
        "cites": bool(result.citations),
        "equals": result.text.strip() == check.text.strip(),
    }
    if holds[check.kind]:
        return ""
    told = {
        "written": f"the file '{check.of}' was not written",
        "said": f"step '{of}' brought nothing",
        "contains": f"the result of '{of}' does not hold '{check.text}'",
        "cites": f"the result of '{of}' names no source",
        "equals": f"the result of '{of}' is not '{check.text}'",
    }
    return told[check.kind]
