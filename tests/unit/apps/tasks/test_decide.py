"""The loop as a pure function: log in, move out."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from secondbasket.apps.tasks.decide import decide
from secondbasket.apps.tasks.moves import Ask, Brief, Call, Fix, Stop
from secondbasket.core.task import Called, Entry, Planned, Turned
from secondbasket.core.tool import ToolFacts
from secondbasket.core.worker import Check, PlanStep, TaskLimits, Worker

TOOL = ToolFacts(name="note", description="Note it.", parameters={"type": "object"}, effect="write")


def brief(*steps: PlanStep, **fields: Any) -> Brief:
    worker = Worker(name="w", role="w", goals="Work.", tools=["note"], plan=steps, **fields)
    return Brief(worker=worker, text="do it", files=("in/a", "in/b"), tools=(TOOL,))


def called(move: Call, **fields: Any) -> Called:
    return Called(
        step=move.step, item=move.item, tool=move.tool, arguments=move.arguments, key="k", **fields
    )


def run(task: Brief, *, text: str = "ok", most: int = 200) -> tuple[list[Entry], Stop]:
    """Every call succeeds, and the model says `text`."""
    log: list[Entry] = []
    for _ in range(most):
        move = decide(task, log)
        if isinstance(move, Stop):
            return log, move
        if isinstance(move, Fix):
            log.append(Planned(steps=tuple(move.steps)))
        elif isinstance(move, Call):
            log.append(called(move, text=f"did {move.arguments}", files=("out.md",)))
        else:
            log.append(Turned(step=move.step, item=move.item, purpose=move.purpose, text=text))
    raise AssertionError("it does not end")


def test_each_item_of_a_list_is_done_and_later_steps_see_all() -> None:
    steps = (
        PlanStep(id="read", tool="note", each="task.files", arguments={"of": "{{ item }}"}),
        PlanStep(id="sum", tool="note", arguments={"all": "{{ read.text }}"}),
    )
    log, stop = run(brief(*steps))
    assert stop.state == "done"
    calls = [entry for entry in log if isinstance(entry, Called)]
    assert [dict(each.arguments) for each in calls[:2]] == [{"of": "in/a"}, {"of": "in/b"}]
    assert calls[2].arguments["all"] == "did {'of': 'in/a'}\ndid {'of': 'in/b'}"


def test_a_criterion_that_is_missed_fails_a_fixed_plan_and_says_which() -> None:
    step = PlanStep(id="a", tool="note", checks=(Check(kind="written", of="report.md"),))
    _, stop = run(brief(step))
    assert (stop.state, "report.md" in stop.reason) == ("failed", True)


def test_an_unknown_name_in_a_template_fails_the_task_and_not_the_server() -> None:
    _, stop = run(brief(PlanStep(id="a", ask="{{ nobody.text }}")))
    assert (stop.state, "nobody" in stop.reason) == ("failed", True)


def test_a_useless_answer_is_asked_for_once_more_and_then_given_up() -> None:
    task = brief(PlanStep(id="a", ask="Say.", schema={"type": "object"}))
    log: list[Entry] = [Planned(steps=task.worker.plan)]
    for _ in range(2):
        move = decide(task, log)
        assert isinstance(move, Ask)
        log.append(Turned(step="a", purpose="answer", text="?", error="it is no JSON"))
    stop = decide(task, log)
    assert isinstance(stop, Stop)
    assert (stop.state, "no JSON" in stop.reason) == ("failed", True)


def test_limits_park_and_never_fail() -> None:
    steps = tuple(PlanStep(id=f"s{n}", tool="note", arguments={"n": n}) for n in range(9))
    _, stop = run(brief(*steps, limits=TaskLimits(steps=4)))
    assert (stop.state, stop.reason) == ("parked", "its limit of 4 steps")


@given(st.lists(st.sampled_from(["tool", "ask", "each"]), min_size=1, max_size=8))
def test_a_fixed_plan_ends_and_every_prefix_of_its_log_leads_to_the_same_next_move(
    kinds: list[str],
) -> None:
    made = {
        "tool": lambda n: PlanStep(id=f"s{n}", tool="note", arguments={"n": n}),
        "ask": lambda n: PlanStep(id=f"s{n}", ask=f"Say {n}."),
        "each": lambda n: PlanStep(id=f"s{n}", tool="note", each="[1, 2]", arguments={"n": n}),
    }
    task = brief(*(made[kind](number) for number, kind in enumerate(kinds)))
    log, stop = run(task)
    assert stop.state == "done"
    for length in range(len(log)):
        assert decide(task, log[:length]) == decide(task, list(log[:length]))
    assert decide(task, log) == stop
