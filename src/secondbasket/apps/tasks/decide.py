"""The loop of every worker, as one pure function: what was done so far → what to do next.

Plan, work each step, check it against its criteria, plan again where that
fails, stop where nothing new would come of going on. Nothing here asks a clock,
a database or a model, so any run can be replayed from its log, entry by entry.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from secondbasket.apps.tasks import prompts
from secondbasket.apps.tasks.moves import Brief, Call, Fix, Move, Stop
from secondbasket.apps.tasks.results import (
    Result,
    missed,
    result_of,
    since_plan,
    together,
    under,
    written,
)
from secondbasket.apps.workers.templates import Templates
from secondbasket.core.canonical import canonical
from secondbasket.core.task import Called, Entry, Turned
from secondbasket.core.worker import PlanStep
from secondbasket.errors import InvalidRequest

_ANSWERS = 2  # an answer of no use is asked for once more
_ACTS_PER_STEP = 12
_EQUAL_CALLS = 2  # the second is answered from the log; a third shows that nothing new will come
_MOST_ITEMS = 200
_templates = Templates()  # they keep what they have compiled


def decide(brief: Brief, log: Sequence[Entry]) -> Move:
    """The next move of a task whose entries so far are `log`."""
    if stop := _limit(brief, log):
        return stop
    plan, entries, plans = since_plan(log)
    if plan is None:
        return _first_plan(brief, entries)
    if new := _new_plan(entries):
        return new
    walk = _Walk(brief, log, entries)
    try:
        for step in plan:
            move = walk.step(step)
            if move is not None:
                return move
    except _Failed as failed:
        return _again(brief, log, plans, failed.why)
    return Stop(state="done")


def _limit(brief: Brief, log: Sequence[Entry]) -> Stop | None:
    limits = brief.worker.limits
    if len(log) >= limits.steps:
        return Stop(state="parked", reason=f"its limit of {limits.steps} steps")
    tokens = sum(e.input_tokens + e.output_tokens for e in log if isinstance(e, Turned))
    if tokens >= limits.tokens:
        return Stop(state="parked", reason=f"its limit of {limits.tokens} tokens")
    return None


def _first_plan(brief: Brief, entries: Sequence[Entry]) -> Move:
    if brief.worker.plan:
        return Fix(steps=brief.worker.plan)
    return _new_plan(entries) or prompts.ask_plan(brief)


def _new_plan(entries: Sequence[Entry]) -> Move | None:
    """What a model that was asked for a plan has said, if that was the last thing to happen."""
    if not entries or not isinstance(entries[-1], Turned) or entries[-1].purpose != "plan":
        return None
    turn = entries[-1]
    if not turn.error:
        return Fix(steps=prompts.read_plan(turn.data))
    asked = sum(isinstance(entry, Turned) and entry.purpose == "plan" for entry in entries)
    if asked < _ANSWERS:
        return None
    return Stop(state="failed", reason=f"no plan came of the model: {turn.error}")


def _again(brief: Brief, log: Sequence[Entry], plans: int, why: str) -> Move:
    if brief.worker.plan or plans > brief.worker.replans:
        return Stop(state="failed", reason=why)
    return prompts.ask_plan(brief, log=log, failed=why)


class _Failed(Exception):
    """A step that will not come to anything; ends in a new plan or in the task's end."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Walk:
    """One walk along the plan, over what was done of it, to the first thing that was not."""

    def __init__(self, brief: Brief, log: Sequence[Entry], entries: Sequence[Entry]) -> None:
        self._brief = brief
        self._log = log
        self._entries = entries
        self._results: dict[str, Result] = {}

    def step(self, step: PlanStep) -> Move | None:
        """The move that `step` needs next; None once it is done, and well. Raises _Failed."""
        if not step.each:
            outcome = self._item(step, 0, None)
            if not isinstance(outcome, Result):
                return outcome
            self._results[step.id] = outcome
        else:
            parts = []
            for number, item in enumerate(self._items(step)):
                outcome = self._item(step, number, item)
                if not isinstance(outcome, Result):
                    return outcome
                parts.append(outcome)
            self._results[step.id] = together(parts)
        self._require(step)
        return None

    def _items(self, step: PlanStep) -> Sequence[Any]:
        try:
            items = _templates.evaluated(step.each, self._names(None))
            items = list(items)
        except (InvalidRequest, TypeError) as exc:
            raise _Failed(f"step '{step.id}': '{step.each}' is no list ({exc})") from exc
        if len(items) > _MOST_ITEMS:
            raise _Failed(f"step '{step.id}' has {len(items)} items; {_MOST_ITEMS} are the most")
        return items

    def _item(self, step: PlanStep, number: int, item: Any) -> Result | Move:
        done = under(self._entries, step.id, number)
        if step.tool:
            return result_of(done[-1]) if done else self._call(step, number, item)
        if step.ask:
            useless = sum(bool(entry.error) for entry in done)
            if done and (not done[-1].error or useless >= _ANSWERS):
                return result_of(done[-1])
            asked = self._filled(step, step.ask, item)
            return prompts.ask_answer(self._brief, step, number, str(asked))
        return self._act(step, number, done)

    def _call(self, step: PlanStep, number: int, item: Any) -> Move:
        arguments = self._filled(step, dict(step.arguments), item)
        return Call(
            step=step.id,
            item=number,
            tool=step.tool,
            arguments=arguments,
            nth=self._equal(step.tool, arguments),
        )

    def _act(self, step: PlanStep, number: int, done: Sequence[Turned | Called]) -> Result | Move:
        """The model works towards a goal: it names a call, reads its outcome, and so on."""
        last = done[-1] if done else None
        if isinstance(last, Turned) and not last.error:
            if "finish" in last.data:
                calls = [result_of(entry) for entry in done if isinstance(entry, Called)]
                brought = together(calls)
                return msgspec.structs.replace(brought, text=last.data["finish"], error="")
            tool, arguments = last.data["tool"], last.data.get("arguments", {})
            equal = self._equal(tool, arguments)
            if equal >= _EQUAL_CALLS:
                raise _Failed(f"it calls {tool} with the same arguments again and again")
            return Call(
                step=step.id,
                item=number,
                tool=tool,
                arguments=arguments,
                nth=equal,
                again=equal > 0,
            )
        if len(done) >= _ACTS_PER_STEP:
            raise _Failed(f"step '{step.id}' did not come to an end in {_ACTS_PER_STEP} moves")
        if sum(isinstance(e, Turned) and bool(e.error) for e in done) >= _ANSWERS:
            raise _Failed(f"the model's answers are of no use in step '{step.id}'")
        return prompts.ask_act(self._brief, step, number, self._results, done)

    def _equal(self, tool: str, arguments: Mapping[str, Any]) -> int:
        wanted = canonical(dict(arguments))
        return sum(
            isinstance(entry, Called)
            and entry.tool == tool
            and canonical(dict(entry.arguments)) == wanted
            for entry in self._log
        )

    def _filled(self, step: PlanStep, value: Any, item: Any) -> Any:
        try:
            return _templates.filled(value, self._names(item))
        except InvalidRequest as exc:
            raise _Failed(f"step '{step.id}': {exc.message}") from exc

    def _names(self, item: Any) -> dict[str, Any]:
        steps = {name: _told(each) for name, each in self._results.items()}
        task = {"text": self._brief.text, "files": list(self._brief.files)}
        return {"task": task, "steps": steps, "item": item, **steps}

    def _require(self, step: PlanStep) -> None:
        result = self._results[step.id]
        if result.error:
            raise _Failed(f"step '{step.id}': {result.error}")
        files = written(self._log)
        for check in step.checks:
            if missing := missed(check, step, self._results, files):
                raise _Failed(f"step '{step.id}': {missing}")


def _told(result: Result) -> dict[str, Any]:
    """A result as templates see it; `each` are those of a step's items, in their order."""
    return {
        "text": result.text,
        "data": result.data,
        "error": result.error,
        "files": list(result.files),
        "each": [_told(part) for part in result.parts],
    }
