"""What a worker may do without asking: rules over facts, none of which a model can say.

1. What is not among its tools it may not call at all.
2. Reading inside the house, and writing into the task's own folder, are free.
3. What writes elsewhere or reaches out is asked for, unless its file says 'act',
   or 'earn' and it has earned it.
4. Once it has read what outsiders wrote, what writes elsewhere or reaches out
   is asked for, whatever its file says.
"""

from collections.abc import Sequence
from typing import Literal

from secondbasket.core.tool import ToolFacts
from secondbasket.core.worker import Autonomy, Worker

Right = Literal["free", "ask", "no"]

_EARNED_AFTER = 5
_HARDEST = 80


def only_looks(facts: ToolFacts) -> bool:
    """Whether a call changes nothing and tells nobody: it may be made as often as one likes."""
    return facts.effect == "read" and not facts.egress


def free(facts: ToolFacts) -> bool:
    """Whether no person is ever asked: what it does stays within the task, or is nothing."""
    return only_looks(facts) or facts.confined


def right(
    worker: Worker, facts: ToolFacts, *, tainted: bool, history: Sequence[bool]
) -> tuple[Right, str]:
    """Whether `worker` may call it now, and why not so without a person.

    `history` is how its calls of this tool were answered, newest first.
    """
    if facts.name not in worker.tools:
        return "no", f"'{facts.name}' is not one of the tools of '{worker.name}'"
    if free(facts):
        return "free", ""
    if tainted:
        return "ask", "it has read what outsiders wrote"
    autonomy = autonomy_for(worker, facts.name)
    if autonomy == "act":
        return "free", ""
    if autonomy == "earn":
        need, have = needed(history), streak(history)
        if have >= need:
            return "free", ""
        return "ask", f"{have} of {need} accepted calls in a row that it needs to act alone"
    return "ask", "its file says that a person decides"


def autonomy_for(worker: Worker, tool: str) -> Autonomy:
    return worker.autonomy.get(tool, worker.autonomy.get("default", "ask"))


def streak(history: Sequence[bool]) -> int:
    """How many of the latest answers in a row were a yes."""
    for number, accepted in enumerate(history):
        if not accepted:
            return number
    return len(history)


def needed(history: Sequence[bool]) -> int:
    """Five accepted calls in a row earn a tool; every rejection ever since doubles that."""
    rejections = sum(not accepted for accepted in history)
    return int(min(_HARDEST, _EARNED_AFTER * 2**rejections))
