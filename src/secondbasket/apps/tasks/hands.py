"""A worker's tool calls: allowed or asked for, written down, made once, and written down again."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import anyio
import msgspec

from secondbasket.apps.tasks.approvals import Approvals
from secondbasket.apps.tasks.effects import Effects, arguments_digest, effect_key
from secondbasket.apps.tasks.halts import Halt
from secondbasket.apps.tasks.moves import Call
from secondbasket.apps.tasks.rights import only_looks, right
from secondbasket.core.clock import now
from secondbasket.core.data_class import DataClass
from secondbasket.core.ports import Tool
from secondbasket.core.task import Called, Effect, Entry
from secondbasket.core.tool import NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.core.worker import Worker
from secondbasket.errors import BasketError, Conflict, InvalidRequest, NotFound, OutcomeUnknown

_log = logging.getLogger(__name__)

_CANCELLED = "the task was cancelled while it was under way"
_LONGEST_TEXT = 64 * 1024
_LARGEST_DATA = 1024 * 1024


class Belt(Protocol):
    """The tools there are."""

    def find(self, name: str) -> Tool:
        """Raises NotFound."""
        ...

    def check(self, tool: Tool, arguments: Mapping[str, Any]) -> None:
        """Raises InvalidRequest in words that a model can mend its call by."""
        ...


class Hands:
    """`folder_of` is where a task's own files lie."""

    def __init__(
        self,
        belt: Belt,
        effects: Effects,
        approvals: Approvals,
        *,
        folder_of: Callable[[str], Path],
    ) -> None:
        self._belt = belt
        self._effects = effects
        self._approvals = approvals
        self._folder_of = folder_of

    def facts(self, names: Sequence[str]) -> Sequence[ToolFacts]:
        """Of those tools that there are."""
        found = []
        for name in names:
            try:
                found.append(self._belt.find(name).facts)
            except NotFound as exc:
                _log.warning("%s", exc)
        return found

    async def call(
        self,
        wanted: Call,
        *,
        task: str,
        holder: str,
        worker: Worker,
        data_class: DataClass,
        position: int,
        log: Sequence[Entry],
    ) -> Called | Halt:
        """What came of it: from the tool, from the log, or why it was not made.

        Raises LeaseLost, StoreError.
        """
        key = effect_key(task, wanted.tool, wanted.arguments, wanted.nth)
        if wanted.again:
            return _told_again(wanted, key, log)
        try:
            tool = self._belt.find(wanted.tool)
            self._belt.check(tool, wanted.arguments)
        except (NotFound, InvalidRequest) as error:
            return _failed(wanted, key, str(error))
        act = _Act(
            tool=tool,
            wanted=wanted,
            made=ToolCall(
                key=key,
                task=task,
                worker=worker.name,
                arguments=wanted.arguments,
                folder=self._folder_of(task),
                data_class=data_class,
                knowledge=worker.knowledge,
            ),
            effect=Effect(
                key=key,
                task=task,
                position=position,
                tool=wanted.tool,
                effect=tool.facts.effect,
                arguments=msgspec.json.encode(wanted.arguments).decode(),
                arguments_sha256=arguments_digest(wanted.arguments),
                state="intended",
                intended_at=now(),
            ),
        )
        before = await self._effects.find(key)
        if before is not None and before.state != "undone":
            return await self._after(act, before)
        return await self._allowed(act, holder, worker, log)

    async def leave(self, wanted: Call, *, task: str, worker: Worker) -> None:
        """Say what came of a call that was broken off for good, as well as can be known."""
        key = effect_key(task, wanted.tool, wanted.arguments, wanted.nth)
        before = await self._effects.find(key)
        if before is None or before.state != "intended":
            return
        try:
            tool = self._belt.find(wanted.tool)
        except NotFound:
            await self._effects.end(key, "uncertain", _CANCELLED)
            return
        if only_looks(tool.facts):
            await self._effects.end(key, "failed", _CANCELLED)
            return
        made = ToolCall(
            key=key,
            task=task,
            worker=worker.name,
            arguments=wanted.arguments,
            folder=self._folder_of(task),
        )
        found = await _known(tool, made)
        if isinstance(found, ToolOutcome):
            told = msgspec.json.encode(_bounded(found)).decode()
            await self._effects.end(key, "done", told)
        elif isinstance(found, NeverHappened):
            await self._effects.end(key, "failed", _CANCELLED)
        else:
            await self._effects.end(key, "uncertain", _CANCELLED)

    async def _after(self, act: "_Act", before: Effect) -> Called | Halt:
        """Of a call that was begun before, perhaps by a process that is dead."""
        if before.state == "done":
            return _called(act, msgspec.json.decode(before.outcome, type=ToolOutcome))
        if before.state == "failed":
            return _failed(act.wanted, before.key, before.outcome)
        facts = act.tool.facts
        if only_looks(facts):
            return await self._make(act)  # looking twice changes nothing
        found = await _known(act.tool, act.made)
        if isinstance(found, ToolOutcome):
            return await self._ended(act, found)
        if isinstance(found, NeverHappened) or facts.takes_key:
            return await self._make(act)
        return await self._uncertain(act, "it was broken off in the middle")

    async def _uncertain(self, act: "_Act", why: str) -> Halt:
        await self._effects.end(act.effect.key, "uncertain", why)
        return Halt(
            state="waiting",
            reason=f"nobody knows whether {act.wanted.tool} happened ({act.effect.key}): {why}",
        )

    async def _allowed(
        self, act: "_Act", holder: str, worker: Worker, log: Sequence[Entry]
    ) -> Called | Halt:
        facts = act.tool.facts
        history = await self._approvals.history(worker.name, facts.name)
        tainted = any(isinstance(e, Called) and e.from_outside for e in log)
        may, why = right(worker, facts, tainted=tainted, history=history)
        if may == "no":
            return _failed(act.wanted, act.effect.key, why)
        approval = ""
        if may == "ask":
            answer = await self._approvals.for_call(act.effect.key)
            if answer is not None and answer.state == "rejected":
                return _failed(act.wanted, act.effect.key, f"a person said no. {answer.note}")
            if answer is None or answer.state != "approved":
                asked = await self._approvals.ask(
                    act.effect, worker=worker.name, reviewer=worker.reviewer, why=why
                )
                return Halt(state="waiting", reason=f"{asked.id}: may it call {facts.name}?")
            approval = answer.id
        try:
            await self._effects.intend(holder, act.effect, approval=approval)
        except Conflict as error:
            if not approval:
                raise
            return Halt(state="parked", reason=error.message, again_seconds=1.0)
        return await self._make(act)

    async def _make(self, act: "_Act") -> Called | Halt:
        facts = act.tool.facts
        act.made.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with anyio.fail_after(facts.limit_seconds):
                outcome = await act.tool.call(act.made)
        except (OutcomeUnknown, TimeoutError) as error:
            why = str(error) or f"it took more than {facts.limit_seconds:g} s"
            if facts.effect == "read":
                return await self._broke(act, why)
            return await self._uncertain(act, why)
        except BasketError as error:
            return await self._broke(act, str(error))
        return await self._ended(act, outcome)

    async def _broke(self, act: "_Act", why: str) -> Called:
        await self._effects.end(act.effect.key, "failed", why)
        return _failed(act.wanted, act.effect.key, why)

    async def _ended(self, act: "_Act", outcome: ToolOutcome) -> Called:
        outcome = _bounded(outcome)
        told = msgspec.json.encode(outcome).decode()
        await self._effects.end(act.effect.key, "done", told)
        return _called(act, outcome)


class _Act(msgspec.Struct, frozen=True, kw_only=True):
    """One call on its way: the tool, what was wanted, and the two forms it is handed on in."""

    tool: Tool
    wanted: Call
    made: ToolCall
    effect: Effect


async def _known(tool: Tool, made: ToolCall) -> ToolOutcome | NeverHappened | None:
    """What the tool itself says that came of a call; None where it does not know."""
    try:
        with anyio.fail_after(tool.facts.limit_seconds):
            return await tool.reconcile(made)
    except (BasketError, TimeoutError) as error:
        _log.warning("what came of %s is not known: %s", made.key, str(error) or "too slow")
        return None


def _bounded(outcome: ToolOutcome) -> ToolOutcome:
    text, data = outcome.text, outcome.data
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT] + f"\n[cut: {len(outcome.text)} characters in all]"
    if data is not None and len(msgspec.json.encode(data)) > _LARGEST_DATA:
        data = None
        text += "\n[its data is larger than 1 MiB and was left out]"
    return msgspec.structs.replace(outcome, text=text, data=data)


def _called(act: _Act, outcome: ToolOutcome) -> Called:
    facts = act.tool.facts
    return Called(
        step=act.wanted.step,
        item=act.wanted.item,
        tool=act.wanted.tool,
        arguments=act.wanted.arguments,
        key=act.effect.key,
        text=outcome.text,
        data=outcome.data,
        data_class=max(facts.data_class, outcome.data_class).label,
        from_outside=facts.from_outside or outcome.from_outside,
        files=tuple(outcome.files),
        citations=tuple(outcome.citations),
    )


def _failed(wanted: Call, key: str, why: str) -> Called:
    return Called(
        step=wanted.step,
        item=wanted.item,
        tool=wanted.tool,
        arguments=wanted.arguments,
        key=key,
        error=why[:2000] or "it failed",
    )


def _told_again(wanted: Call, key: str, log: Sequence[Entry]) -> Called:
    before = next(
        entry
        for entry in reversed(log)
        if isinstance(entry, Called)
        and entry.tool == wanted.tool
        and entry.arguments == wanted.arguments
    )
    return msgspec.structs.replace(
        before, step=wanted.step, item=wanted.item, key=key, files=(), citations=()
    )
