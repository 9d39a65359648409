"""Why a task stops for now, in a form that says what lets it go on."""

import msgspec

from secondbasket.core.task import TaskState


class Halt(msgspec.Struct, frozen=True, kw_only=True, tag="halt"):
    """In place of an entry: the task is put down as `state`. It is tried again after
    `again_seconds`, where that is above zero; otherwise what `reason` names must change."""

    state: TaskState
    reason: str
    again_seconds: float = 0.0
