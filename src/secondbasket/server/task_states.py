"""States of tasks, as a caller names them."""

from collections.abc import Sequence
from typing import get_args

from secondbasket.core.task import TaskState
from secondbasket.errors import InvalidRequest

STATES: tuple[TaskState, ...] = get_args(TaskState)


def states_of(given: Sequence[str]) -> Sequence[TaskState]:
    """Raises InvalidRequest."""
    for each in given:
        if each not in STATES:
            raise InvalidRequest(
                f"'{each[:40]}' is no state of a task.",
                hint=f"There is: {', '.join(STATES)}.",
                param="state",
            )
    return [state for state in STATES if state in given]
