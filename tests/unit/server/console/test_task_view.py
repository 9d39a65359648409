"""A task's log as its page tells it, and how a tool's trust is put into words."""

from typing import Any

import pytest

from secondbasket.apps.tasks.team import Trust
from secondbasket.core.task import Called, Entry, LoggedEntry, Planned, Task, TaskState, Turned
from secondbasket.core.tool import Citation
from secondbasket.core.worker import Check, PlanStep
from secondbasket.errors import InvalidRequest
from secondbasket.server.console.report import span
from secondbasket.server.console.task_view import citations_of, entries_of, plan_of

READ = PlanStep(
    id="read", goal="Read.", tool="papers.read", each="task.files", checks=[Check(kind="said")]
)
WRITE = PlanStep(
    id="write", goal="Write.", tool="files.write", checks=[Check(kind="written", of="out.md")]
)
SOURCE = Citation(source="a.pdf", place="page 1")


def a_task(state: TaskState = "working") -> Task:
    return Task(
        id="task_1",
        worker="clerk",
        text="Read and write.",
        state=state,
        owner="key_1",
        created_at="2026-11-25T01:00:00.000Z",
        updated_at="2026-11-25T01:00:00.000Z",
    )


def logged(*entries: Entry) -> list[LoggedEntry]:
    return [
        LoggedEntry(
            position=position, at="2026-11-25T01:00:00.000Z", run=1, duration_ms=5, entry=entry
        )
        for position, entry in enumerate(entries)
    ]


def called(step: str, item: int = 0, **more: Any) -> Called:
    fields: dict[str, Any] = {
        "tool": "papers.read",
        "arguments": {"path": "in/a"},
        "key": f"eff_{step}{item}",
    }
    return Called(step=step, item=item, **{**fields, **more})


def told(task: Task, log: list[LoggedEntry]) -> list[tuple[str, str, int, list[bool]]]:
    return [
        (view.step.id, view.progress, view.entries, [met for _, met in view.checks])
        for view in plan_of(task, log)
    ]


def test_a_plan_tells_how_far_it_is() -> None:
    assert plan_of(a_task("planning"), []) == []
    log = logged(Planned(steps=(READ, WRITE)))
    assert told(a_task(), log) == [
        ("read", "to come", 0, [False]),
        ("write", "to come", 0, [False]),
    ]
    log = logged(Planned(steps=(READ, WRITE)), called("read", text="one"))
    assert told(a_task(), log) == [("read", "at work", 1, [True]), ("write", "to come", 0, [False])]
    log = logged(
        Planned(steps=(READ, WRITE)),
        called("read", 0, text="one"),
        called("read", 1, error="it is broken"),
        called("write", tool="files.write", files=("out.md",), text="written"),
    )
    assert told(a_task(), log) == [("read", "done", 2, [True]), ("write", "done", 1, [True])]
    assert [each[1] for each in told(a_task("done"), log)] == ["done", "done"]


def test_only_the_plan_in_force_is_shown() -> None:
    log = logged(Planned(steps=(READ,)), called("read", error="no"), Planned(steps=(WRITE,)))
    assert told(a_task(), log) == [("write", "to come", 0, [False])]
    assert [view.title for view in entries_of(log)] == [
        "A plan of 1 step",
        "papers.read",
        "A plan of 1 step",
    ]


def test_entries_keep_what_was_given_and_what_came() -> None:
    turned = Turned(
        step="say", purpose="answer", text="Hello.", input_tokens=3, output_tokens=2, cost=7
    )
    call = called("read", 2, data={"total": 3}, from_outside=True, citations=(SOURCE, SOURCE))
    said, read = entries_of(logged(turned, call))
    assert (said.title, said.text, said.tokens, said.cost) == ("The model answered", "Hello.", 5, 7)
    assert said.given is None
    assert (read.step, read.given, read.data) == ("read, item 3", {"path": "in/a"}, {"total": 3})
    assert read.from_outside
    assert citations_of(logged(turned, call, call)) == [SOURCE]


@pytest.mark.parametrize(
    ("autonomy", "streak", "words"),
    [
        ("free", 0, "acts alone"),
        ("act", 0, "acts alone"),
        ("ask", 9, "always asks"),
        ("earn", 2, "asks: 2 of the 5 accepted calls in a row that it needs"),
        ("earn", 5, "has earned to act alone"),
    ],
)
def test_trust_in_words(autonomy: str, streak: int, words: str) -> None:
    assert Trust(tool="post", autonomy=autonomy, streak=streak, needed=5).told == words


def test_a_day_is_a_day_in_utc() -> None:
    assert span("") == ("", "")
    assert span("2026-11-25") == ("2026-11-25T00:00:00.000Z", "2026-11-26T00:00:00.000Z")
    for wrong in ("yesterday", "2026-13-01", "9999-12-31"):
        with pytest.raises(InvalidRequest):
            span(wrong)
