"""States of tasks, as a caller names them."""

from collections.abc import Sequence
from typing import get_args

from secondbasket.core.task import TaskState
from secondbasket.errors import InvalidRequest


def states_of(given: Sequence[str]) -> Sequence[TaskState]:
    """Raises InvalidRequest."""
    known: tuple[TaskState, ...] = get_args(TaskState)
    for each in given:
        if each not in known:
            raise InvalidRequest(
                f"'{each[:40]}' is no state of a task.",
                hint=f"There is: {', '.join(known)}.",
                param="state",
            )
    return [state for state in known if state in given]
