"""What a worker may do alone: rules over facts."""

import pytest

from secondbasket.apps.tasks.rights import needed, right, streak
from secondbasket.core.tool import ToolEffect, ToolFacts
from secondbasket.core.worker import Autonomy, Worker


def facts(effect: ToolEffect, *, egress: bool = False, confined: bool = False) -> ToolFacts:
    return ToolFacts(
        name="t", description="", parameters={}, effect=effect, egress=egress, confined=confined
    )


def worker(autonomy: Autonomy) -> Worker:
    return Worker(name="w", role="w", tools=["t"], autonomy={"default": autonomy})


@pytest.mark.parametrize(
    ("autonomy", "tool", "tainted", "history", "expected"),
    [
        ("ask", facts("read"), True, [], "free"),
        ("ask", facts("write", confined=True), True, [], "free"),
        ("ask", facts("write"), False, [True] * 50, "ask"),
        ("act", facts("write"), False, [], "free"),
        ("act", facts("external"), False, [], "free"),
        ("act", facts("external"), True, [True] * 50, "ask"),
        ("act", facts("write"), True, [], "ask"),
        ("act", facts("read", egress=True), True, [], "ask"),
        ("act", facts("read", egress=True), False, [], "free"),
        ("earn", facts("external"), False, [True] * 4, "ask"),
        ("earn", facts("external"), False, [True] * 5, "free"),
        ("earn", facts("external"), False, [True] * 9 + [False], "ask"),
        ("earn", facts("external"), False, [True] * 10 + [False], "free"),
        ("earn", facts("external"), True, [True] * 50, "ask"),
    ],
)
def test_the_rules(
    autonomy: Autonomy, tool: ToolFacts, tainted: bool, history: list[bool], expected: str
) -> None:
    may, why = right(worker(autonomy), tool, tainted=tainted, history=history)
    assert may == expected
    assert bool(why) == (expected != "free")


def test_a_tool_that_its_file_does_not_name_is_refused_whatever_it_is() -> None:
    stranger = Worker(name="w", role="w", tools=["other"], autonomy={"default": "act"})
    assert right(stranger, facts("read"), tainted=False, history=[])[0] == "no"


def test_a_rejection_doubles_what_is_needed() -> None:
    assert [needed([True] * n) for n in (0, 50)] == [5, 5]
    assert needed([False, True]) == 10
    assert needed([False, False, True]) == 20
    assert needed([False] * 20) == 80
    assert streak([True, True, False, True]) == 2
