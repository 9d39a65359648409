"""A tool in the words that workers, policy and the ledger share: what it is, a call, an outcome."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from secondbasket.core.data_class import DataClass

ToolEffect = Literal["read", "write", "external"]
"""'read' changes nothing; 'write' changes what is the company's own, and can be undone there;
'external' reaches somebody outside, or cannot be taken back."""


class ToolFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a tool without calling it.

    `name` is how models call it ('files.write'); `parameters` the JSON Schema
    of its arguments, an object. `data_class` is what its results are at least.
    `from_outside`: others may have written what it returns, so that it can hold
    instructions; whoever read it is tainted. `egress`: its arguments leave the
    house. `confined`: what it changes stays in the task's own folder until a
    person takes it over. `takes_key`: a call that is made twice under one key
    acts once. `limit_seconds` is how long a call may take.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    effect: ToolEffect
    data_class: DataClass = DataClass.PUBLIC
    from_outside: bool = False
    egress: bool = False
    confined: bool = False
    takes_key: bool = False
    limit_seconds: float = 60.0


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call that is to happen once.

    `key` is the effect's own: the same for the same call of the same task, also
    after a crash. `arguments` fit the tool's schema. `folder` is the task's own;
    a tool reads and writes files nowhere else. `data_class` is what the task
    has read so far. `knowledge` are the only document collections that it may
    see; all, where it is empty.
    """

    key: str
    task: str
    worker: str
    arguments: Mapping[str, Any]
    folder: Path
    data_class: DataClass = DataClass.PUBLIC
    knowledge: Sequence[str] = ()


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """Where something stands: a source and the place in it ('page 3', 'row 12')."""

    source: str
    place: str = ""
    text: str = ""


class ToolOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call. `text` is what a model reads, `data` the same for code.

    `data_class` and `from_outside` may raise what the tool's facts say, never
    lower it. `files` are names in the task's folder that the call wrote.
    """

    text: str
    data: Any = None
    data_class: DataClass = DataClass.PUBLIC
    from_outside: bool = False
    files: Sequence[str] = ()
    citations: Sequence[Citation] = ()


class NeverHappened(msgspec.Struct, frozen=True):
    """What a tool answers that knows that a call was not carried out: it may be made again."""
