"""A task: something handed to a worker, from its words to what came of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from secondbasket.core.tool import Citation
from secondbasket.core.worker import PlanStep

TaskState = Literal[
    "queued", "planning", "working", "waiting", "parked", "done", "failed", "cancelled"
]
"""'waiting' is for a person; 'parked' for a model, a budget, a time or a resume."""

ENDED: frozenset[TaskState] = frozenset({"done", "failed", "cancelled"})

ApprovalState = Literal["open", "approved", "rejected", "expired", "consumed"]
EffectState = Literal["intended", "done", "failed", "uncertain", "undone"]


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for. `deadline` is RFC 3339. `key`: the same order of the same caller twice
    under one key is one task; empty for none."""

    text: str
    worker: str
    priority: int = 0
    deadline: str = ""
    after: Sequence[str] = ()
    data_class: str = "public"
    parent: str = ""
    baseline_minutes: float | None = None
    key: str = ""


class Planned(msgspec.Struct, frozen=True, tag="planned"):
    """Entry of a task's log: from here on, these steps."""

    steps: Sequence[PlanStep]


class Turned(msgspec.Struct, frozen=True, kw_only=True, tag="turned"):
    """Entry: a model answered. `error` says why its answer is of no use, empty where it is."""

    step: str
    item: int = 0
    purpose: Literal["plan", "answer", "act"]
    text: str
    data: Any = None
    error: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    request_id: str = ""


class Called(msgspec.Struct, frozen=True, kw_only=True, tag="called"):
    """Entry: a tool was called under `key`. `error` says why nothing came of it."""

    step: str
    item: int = 0
    tool: str
    arguments: Mapping[str, Any]
    key: str
    text: str = ""
    data: Any = None
    error: str = ""
    data_class: str = "public"
    from_outside: bool = False
    files: Sequence[str] = ()
    citations: Sequence[Citation] = ()


Entry = Planned | Turned | Called


class LoggedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`position` counts from 0 without gaps; `duration_ms` is what making it took."""

    position: int
    at: str
    run: int
    duration_ms: float
    entry: Entry


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that changes something: what was meant, and what came of it."""

    key: str
    task: str
    position: int
    tool: str
    effect: str
    arguments: str
    arguments_sha256: str
    state: EffectState
    intended_at: str
    ended_at: str = ""
    outcome: str = ""


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A person's yes or no to one call with exactly these arguments, good once and until then."""

    id: str
    task: str
    worker: str
    tool: str
    key: str
    arguments: str
    arguments_sha256: str
    reviewer: str
    state: ApprovalState
    asked_at: str
    expires_at: str
    answered_at: str = ""
    answered_by: str = ""
    note: str = ""
    why: str = ""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it stands. `reason` says why it waits, parks or failed; money in nano-units."""

    id: str
    worker: str
    text: str
    state: TaskState
    owner: str
    created_at: str
    updated_at: str
    reason: str = ""
    priority: int = 0
    deadline: str = ""
    after: Sequence[str] = ()
    parent: str = ""
    data_class: str = "public"
    started_at: str = ""
    ended_at: str = ""
    run: int = 0
    steps: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    currency: str = ""
    deliverables: Sequence[str] = ()
    baseline_minutes: float | None = None
    accepted: bool | None = None
