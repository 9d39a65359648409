"""Memory as a worker uses it: recall what is known, remember what was learned."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.memory.memory import Memory, Recalled, Remembered
from secondbasket.apps.memory.statement import KINDS, MOST_TERM, MOST_TEXT, Kind, Statement
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.core.data_class import DataClass
from secondbasket.core.ports import Tool
from secondbasket.core.tool import (
    Citation,
    NeverHappened,
    ToolCall,
    ToolFacts,
    ToolOutcome,
)
from secondbasket.errors import (
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    SettingsError,
    StoreError,
    ToolFailed,
)

_MOST_RECALLED = 20
_TERM = {"type": "string", "maxLength": MOST_TERM}
_RECALL = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "minLength": 1, "maxLength": MOST_TEXT},
        "kinds": {"type": "array", "items": {"enum": list(KINDS)}, "uniqueItems": True},
        "at": {"type": "string", "description": "What held at this moment (RFC 3339), not now."},
        "limit": {"type": "integer", "minimum": 1, "maximum": _MOST_RECALLED},
    },
    "required": ["query"],
    "additionalProperties": False,
}
_REMEMBER = {
    "type": "object",
    "properties": {
        "kind": {"enum": list(KINDS)},
        "text": {"type": "string", "maxLength": MOST_TEXT},
        "subject": _TERM,
        "predicate": _TERM,
        "object": _TERM,
        "valid_from": {"type": "string", "description": "RFC 3339; now where it is left out."},
        "valid_until": {"type": "string"},
        "source": {"type": "string", "description": "Where it stands: document:ID or message:ID."},
        "derived_from": {"type": "array", "items": {"type": "string"}, "maxItems": 16},
    },
    "required": ["kind"],
    "additionalProperties": False,
}


class RecallTool:
    """`most_class` is the highest class that it tells; what it tells raises the task's."""

    def __init__(self, memories: Memories, most_class: DataClass) -> None:
        self._memories = memories
        self._most_class = most_class
        self.facts = ToolFacts(
            name="memory.recall",
            description="What is remembered about something: facts, episodes, procedures,"
            " preferences. Answers with what holds now.",
            parameters=_RECALL,
            effect="read",
            from_outside=True,
            limit_seconds=20.0,
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        arguments = call.arguments
        try:
            found = await self._memories.recall(
                arguments["query"],
                worker=call.worker,
                most_class=self._most_class,
                at=arguments.get("at"),
                kinds=arguments.get("kinds", ()),
                limit=arguments.get("limit", 8),
            )
        except (InvalidRequest, StoreError) as exc:
            raise ToolFailed(exc.message, hint=exc.hint) from exc
        return ToolOutcome(
            text="\n".join(map(_line, found)) or "Nothing is remembered about that.",
            data=[msgspec.to_builtins(each) for each in found],
            data_class=max(
                (DataClass.parse(each.memory.data_class) for each in found),
                default=DataClass.PUBLIC,
            ),
            from_outside=any(each.memory.from_outside for each in found),
            citations=[
                Citation(source=source, text=each.memory.text)
                for each in found
                for source in each.memory.sources
            ],
        )

    async def reconcile(self, _call: ToolCall) -> NeverHappened:
        return NeverHappened()  # it changes nothing: asking again does no harm


class RememberTool:
    def __init__(self, memories: Memories) -> None:
        self._memories = memories
        self.facts = ToolFacts(
            name="memory.remember",
            description="Keep something for later tasks: a fact as subject, predicate and object,"
            " or an episode, a procedure or a preference as a sentence.",
            parameters=_REMEMBER,
            effect="write",
            takes_key=True,
            limit_seconds=20.0,
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        try:
            kept = await self._memories.remember(_statement(call), key=call.key)
        except (InvalidRequest, NotFound) as exc:
            raise ToolFailed(exc.message, hint=exc.hint) from exc
        except StoreError as exc:
            raise OutcomeUnknown(exc.message, hint=exc.hint) from exc
        return _outcome(kept)

    async def reconcile(self, call: ToolCall) -> ToolOutcome | NeverHappened | None:
        try:
            kept = await self._memories.kept_under(call.key)
        except StoreError:
            return None
        return NeverHappened() if kept is None else _outcome(kept)


def _outcome(kept: Remembered) -> ToolOutcome:
    return ToolOutcome(text=_told(kept), data=msgspec.to_builtins(kept))


def _statement(call: ToolCall) -> Statement:
    given: Mapping[str, Any] = call.arguments
    kind: Kind = given["kind"]
    sources = [f"task:{call.task}"]
    if given.get("source"):
        source = str(given["source"])
        if not source.startswith(("document:", "message:")):
            # A person's word outweighs others: no worker speaks for one.
            raise InvalidRequest(
                "A worker names a document or a message as its source.",
                hint="Write document:ID or message:ID, or leave it out.",
                param="source",
            )
        sources.append(source)
    return Statement(
        kind=kind,
        sources=tuple(sources),
        worker=call.worker,
        data_class=call.data_class.label,
        derived_from=tuple(given.get("derived_from", ())),
        **{
            name: given[name]
            for name in ("text", "subject", "predicate", "object", "valid_from", "valid_until")
            if name in given
        },
    )


def _line(found: Recalled) -> str:
    memory: Memory = found.memory
    return (
        f"[{memory.id}] {memory.kind}: {memory.text} (since {memory.valid_from[:10]},"
        f" from {', '.join(memory.sources)})"
    )


def _told(kept: Remembered) -> str:
    told = {
        "kept": "Remembered",
        "merged": "It was known already, and is surer now",
        "superseded": "Remembered; what was known before has ended",
        "history": "Remembered as earlier than what is known now",
        "refused": "Not remembered",
        "contested": "Not remembered",
        "erased": "Not remembered",
    }[kept.outcome]
    return f"{told}: {kept.why}." if kept.why else f"{told} ({kept.id})."


def create(ground: ToolGround) -> Sequence[Tool]:
    """Raises SettingsError for a class that is none."""
    if ground.memories is None:
        return ()
    label = ground.settings.get("most_class", DataClass.CONFIDENTIAL.label)
    try:
        most_class = DataClass.parse(str(label))
    except ValueError as exc:
        raise SettingsError(f"tools.memory.most_class: {exc}.") from exc
    return (RecallTool(ground.memories, most_class), RememberTool(ground.memories))
