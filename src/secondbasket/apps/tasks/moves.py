"""What the loop may do next: ask a model, call a tool, or stop."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from secondbasket.core.chat import Message
from secondbasket.core.tool import ToolFacts
from secondbasket.core.worker import PlanStep, Worker


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """One model turn. With a `schema` the answer is JSON that fits it; `purpose` says what for."""

    step: str
    item: int = 0
    purpose: Literal["plan", "answer", "act"]
    messages: Sequence[Message]
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 300


class Call(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    """One tool call. `nth` counts equal calls of one task, so that each has a key of its own.

    `again`: a model asks for what it was told already; it is told again, and nothing is called.
    """

    step: str
    item: int = 0
    tool: str
    arguments: Mapping[str, Any]
    nth: int = 0
    again: bool = False


class Fix(msgspec.Struct, frozen=True, kw_only=True, tag="fix"):
    """Take these steps as the plan: the worker's own, or those that a model has just named."""

    steps: Sequence[PlanStep]


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop"):
    """Nothing more to do. A parked task goes on once what `reason` names has changed."""

    state: Literal["done", "failed", "parked"]
    reason: str = ""


Move = Ask | Call | Fix | Stop


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What never changes while a task is worked on. `files` were handed over with it."""

    worker: Worker
    text: str
    files: Sequence[str] = ()
    tools: Sequence[ToolFacts] = ()
    data_class: str = "public"
