"""A worker: who work can be handed to, as its file says it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

Autonomy = Literal["ask", "act", "earn"]
"""For tools that write or reach out: 'ask' a person before each call, 'act' without, or 'earn':
ask until enough calls were accepted (``apps/tasks/autonomy.py``)."""


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"kind": "is"}):
    """A success criterion that code can decide.

    'written': the file `of` was written by this task. 'said': the result of step
    `of` is not empty. 'contains': it holds `text`, capitals apart. 'cites': it
    names a source. 'equals': it is `text`.
    """

    kind: Literal["written", "said", "contains", "cites", "equals"]
    of: str = ""
    text: str = ""


class PlanStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One step of a plan, done by a tool, by one answer of the model, or by the model with tools.

    With `tool`, that tool is called with `arguments`. With `ask`, the model
    answers it once, as `schema` says where there is one. With neither, the
    model works towards `goal` with the worker's tools. Texts within `ask` and
    `arguments` are templates over the results of earlier steps. `each` is an
    expression whose values the step is done for, one by one, as `item`.
    """

    id: str
    goal: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] = {}
    ask: str = ""
    schema: Mapping[str, Any] | None = None
    each: str = ""
    max_tokens: int = 300
    checks: Sequence[Check] = ()


class TaskLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one task may use at most; one that reaches a limit parks until it is raised.

    `money` is in the house's currency, None for no limit of its own.
    """

    money: float | None = None
    tokens: int = 200_000
    minutes: float = 60.0
    steps: int = 60


class MoreLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a task may use beyond its limits; nothing more of what is not named."""

    money: float = 0.0
    tokens: int = 0
    minutes: float = 0.0
    steps: int = 0


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cron` has five fields, read in `time_zone` (an IANA name); `task` is what is then added."""

    cron: str
    task: str
    time_zone: str = "UTC"


class Worker(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`goals` are the file's body: what the model is told about its work.

    `tools` are names, `knowledge` document collections. `data_class` is the
    least class of everything it does. `reviewer` is the role that approves:
    'owner' (whoever added the task) or 'admin'. `basket` is the public model
    name, empty for the default chat model. `autonomy` is by tool, and for the
    others ``default``, which is to ask. `plan` is a fixed one; without, the model plans.
    `needs` says plainly which model it takes where a small one will not do.
    """

    name: str
    role: str
    goals: str = ""
    tools: Sequence[str] = ()
    knowledge: Sequence[str] = ()
    data_class: str = "internal"
    limits: TaskLimits = TaskLimits()
    autonomy: Mapping[str, Autonomy] = {}
    reviewer: Literal["owner", "admin"] = "owner"
    basket: str = ""
    schedules: Sequence[Schedule] = ()
    plan: Sequence[PlanStep] = ()
    replans: int = 1
    needs: str = ""
