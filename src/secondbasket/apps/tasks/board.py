"""The task board: what people and programs do with tasks. Everybody sees their own; an
administrator sees all."""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import anyio
import msgspec

from secondbasket.apps.tasks.approvals import Approvals
from secondbasket.apps.tasks.effects import Effects
from secondbasket.apps.tasks.records import PAUSED, TaskRecords
from secondbasket.apps.workers.roster import Roster
from secondbasket.core.canonical import canonical
from secondbasket.core.clock import now, parse
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.ids import new_id
from secondbasket.core.key import Key
from secondbasket.core.task import (
    ENDED,
    Approval,
    Effect,
    LoggedEntry,
    Order,
    Task,
    TaskState,
)
from secondbasket.core.worker import MoreLimits
from secondbasket.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    StoreError,
)

# Where whoever waits has something to do or to read.
_STILL = ENDED | {"waiting"}
_LONGEST_TEXT = 20_000
_MOST_FILES = 200
_LARGEST_FILES = 200 * 1024 * 1024
_MOST_AFTER = 50
_ORDERED = ("worker", "text", "priority", "deadline", "parent", "data_class", "baseline_minutes")


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A task and everything there is to know of it."""

    task: Task
    steps: Sequence[LoggedEntry]
    effects: Sequence[Effect]
    approvals: Sequence[Approval]
    deliverables: Sequence[str]


class Board:
    """`nudge` tells the shift of a change. `record` writes a decision to the ledger;
    `currency` is that of every cost."""

    def __init__(
        self,
        records: TaskRecords,
        effects: Effects,
        approvals: Approvals,
        roster: Roster,
        *,
        folder_of: Callable[[str], Path],
        nudge: Callable[[], None],
        record: Callable[[Decision], None],
        currency: str,
    ) -> None:
        self._records = records
        self._effects = effects
        self._approvals = approvals
        self._roster = roster
        self._folder_of = folder_of
        self._nudge = nudge
        self._record = record
        self._currency = currency

    async def add(self, key: Key, order: Order, files: Mapping[str, Path] | None = None) -> Task:
        """Hand over a task, with copies of `files` by the names they get.

        Under a key that the caller gave before, it is the task from then. Raises InvalidRequest,
        NotFound for a worker or a task that is not there, Conflict for a key of another order,
        StoreError.
        """
        worker = await anyio.to_thread.run_sync(self._roster.find, order.worker)
        data_class = _checked(order, key)
        for other in order.after:
            await self._own(key, other)
        task = Task(
            id=_id(key, order),
            worker=worker.name,
            text=order.text.strip(),
            state="queued",
            owner=key.id,
            created_at=now(),
            updated_at=now(),
            priority=order.priority,
            deadline=order.deadline,
            after=tuple(order.after),
            parent=order.parent,
            data_class=data_class.label,
            currency=self._currency,
            baseline_minutes=order.baseline_minutes,
        )
        if order.key and (again := await self._known(task)):
            return _same(again, task)
        await anyio.to_thread.run_sync(_put, self._folder_of(task.id) / "in", files or {})
        await self._records.add(task, worker)
        self._tell("task_added", task, key, worker=worker.name)
        return task

    async def list(
        self,
        key: Key,
        *,
        worker: str = "",
        states: Sequence[TaskState] = (),
        before: str = "",
        limit: int = 100,
    ) -> Sequence[Task]:
        """The latest, newest first; those added before the task `before`. Raises NotFound."""
        owner = None if key.role == "admin" else key.id
        older_than = await self._own(key, before) if before else None
        return await self._records.latest(
            owner=owner, worker=worker, states=states, older_than=older_than, limit=limit
        )

    async def find(self, key: Key, task: str) -> Task:
        """The task as it stands. Raises NotFound."""
        return await self._own(key, task)

    async def show(self, key: Key, task: str) -> Shown:
        """Raises NotFound."""
        found = await self._own(key, task)
        folder = self._folder_of(task)
        return Shown(
            task=found,
            steps=await self._records.log(task),
            effects=await self._effects.of(task),
            approvals=await self._approvals.listed(task=task),
            deliverables=[str(folder / name) for name in found.deliverables],
        )

    async def approvals(self, key: Key) -> Sequence[Approval]:
        """Those that wait for this key's yes or no."""
        waiting = await self._approvals.listed(open_only=True)
        if key.role == "admin":
            return waiting
        own = {each.id for each in await self._records.latest(owner=key.id, limit=1000)}
        return [each for each in waiting if each.task in own and each.reviewer == "owner"]

    async def answer(self, key: Key, approval: str, *, yes: bool, note: str = "") -> Approval:
        """Approve or reject one call. Raises NotFound, PermissionDenied, Conflict."""
        answered = await self._approvals.answer(approval, key, yes=yes, note=note)
        task = await self._records.change(answered.task, _queued_again)
        kind = "approval_given" if yes else "approval_refused"
        self._tell(kind, task, key, approval=approval, arguments=answered.arguments_sha256)
        return answered

    async def settle(
        self, key: Key, effect: str, state: Literal["done", "undone"], note: str = ""
    ) -> Effect:
        """Say of an uncertain effect that it happened, or that it did not: then it is made again.

        Raises NotFound, Conflict.
        """
        found = await self._effects.find(effect)
        if found is None:
            raise NotFound(f"There is no effect '{effect[:64]}'.")
        await self._own(key, found.task)
        told = note or f"{key.name} says that it {'happened' if state == 'done' else 'did not'}."
        outcome = msgspec.json.encode({"text": told}).decode() if state == "done" else told
        settled = await self._effects.resolve(effect, state, outcome)
        task = await self._records.change(found.task, _queued_again)
        self._tell("effect_settled", task, key, effect=effect, state=state)
        return settled

    async def pause(self, key: Key, task: str) -> Task:
        """Leave it where it is until it is resumed. Raises NotFound, Conflict."""
        await self._own(key, task)
        paused = await self._records.change(task, _paused)
        self._tell("task_paused", paused, key)
        return paused

    async def resume(self, key: Key, task: str, *, more: MoreLimits | None = None) -> Task:
        """Go on with one that is paused or parked, and let it use `more` than its worker's limits.

        Raises NotFound, Conflict, InvalidRequest.
        """
        await self._own(key, task)
        if more is not None:
            if min(more.tokens, more.minutes, more.steps, more.money) < 0:
                raise InvalidRequest("A limit is raised by more than nothing.", param="more")
            await self._records.raise_limits(task, more)
        resumed = await self._records.change(task, _resumed)
        self._tell("task_resumed", resumed, key)
        return resumed

    async def cancel(self, key: Key, task: str) -> Task:
        """End it: what is done stays done. Raises NotFound, Conflict."""
        await self._own(key, task)
        cancelled = await self._records.change(task, _cancelled)
        self._tell("task_cancelled", cancelled, key)
        return cancelled

    async def accept(self, key: Key, task: str, *, accepted: bool) -> Task:
        """Say whether what came of it was of use. Raises NotFound, Conflict."""
        await self._own(key, task)

        def how(found: Task) -> Mapping[str, Any]:
            if found.state != "done":
                raise Conflict(f"The task is {found.state}: nothing came of it to accept yet.")
            return {"accepted": accepted}

        judged = await self._records.change(task, how)
        self._tell("task_accepted" if accepted else "task_rejected", judged, key)
        return judged

    async def rework(self, key: Key, task: str, text: str) -> Task:
        """A new task with what is to be different, beside what the old one made."""
        old = await self._own(key, task)
        if old.state not in ENDED:
            raise Conflict(f"The task is {old.state}.", hint="Cancel it first, or let it end.")
        folder = self._folder_of(task)
        names = [*old.deliverables, *_inputs(folder)]
        files = {
            Path(name).name: folder / name for name in names if _lies_in(folder / name, folder)
        }
        order = Order(
            text=f"{old.text}\n\nThis is to be different: {text.strip()}",
            worker=old.worker,
            priority=old.priority,
            data_class=old.data_class,
            parent=old.id,
            baseline_minutes=old.baseline_minutes,
        )
        again = await self.add(key, order, files)
        # What comes after the old one would never begin: it comes after the new one now.
        await self._records.replace_before(old.id, again.id)
        self._nudge()
        return again

    async def switch(self, key: Key, *, off: bool) -> None:
        """The one switch: pause every worker at once, or let them all go on.

        Raises PermissionDenied for who is no administrator.
        """
        if key.role != "admin":
            raise PermissionDenied("Only an administrator may pause and start all workers.")
        await self._records.switch(off=off, by=key.id)
        kind = "workers_paused" if off else "workers_started"
        self._record(Decision(kind=kind, subject="all", outcome="done", detail={"by": key.id}))
        self._nudge()

    async def off(self) -> bool:
        """Are all workers paused?"""
        return await self._records.off()

    async def wait(self, key: Key, task: str, seconds: float) -> Task:
        """The task once it is at its end, waits for a person, or `seconds` are over."""
        with anyio.move_on_after(seconds):
            while (found := await self._own(key, task)).state not in _STILL:  # noqa: ASYNC110 - a pace
                await anyio.sleep(0.2)
            return found
        return await self._own(key, task)

    async def deliverable(self, key: Key, task: str, name: str) -> Path:
        """Where a file that the task made lies. Raises NotFound."""
        found = await self._own(key, task)
        if name not in found.deliverables:
            raise NotFound(f"The task made no file '{name[:200]}'.")
        folder = self._folder_of(task)
        path = folder / name
        # A program in the sandbox may have put a link there, to what it could not see itself.
        if not await anyio.to_thread.run_sync(_lies_in, path, folder):
            raise NotFound(f"The file '{name[:200]}' is not there any more.")
        return path

    async def _known(self, task: Task) -> Task | None:
        try:
            return (await self._records.find(task.id)).task
        except NotFound:
            return None

    async def _own(self, key: Key, task: str) -> Task:
        found = (await self._records.find(task)).task
        if key.role != "admin" and found.owner != key.id:
            raise NotFound(f"There is no task '{task[:64]}'.", hint="`basket task list` shows all.")
        return found

    def _tell(self, kind: str, task: Task, key: Key, **detail: str) -> None:
        decision = Decision(
            kind=kind, subject=task.id, outcome="done", detail={"by": key.id, **detail}
        )
        self._record(decision)
        self._nudge()


def _id(key: Key, order: Order) -> str:
    """A new one, or always the same for one key of a caller's own."""
    if not order.key:
        return new_id("task")
    return f"task_{hashlib.sha256(canonical([key.id, order.key])).hexdigest()[:26]}"


def _same(known: Task, wanted: Task) -> Task:
    """`known`, where what was ordered then is what is wanted now. Neither files nor `after` are
    compared: a rework may have changed that one."""
    if any(getattr(known, name) != getattr(wanted, name) for name in _ORDERED):
        raise Conflict(
            "This key stood over another order before.",
            hint="Take a new key for each new task.",
        )
    return known


def _checked(order: Order, key: Key) -> DataClass:
    if not order.text.strip() or len(order.text) > _LONGEST_TEXT:
        raise InvalidRequest(
            f"A task says in 1 to {_LONGEST_TEXT} characters what is to be done.", param="text"
        )
    if len(order.after) > _MOST_AFTER:
        raise InvalidRequest(f"A task waits for {_MOST_AFTER} others at most.", param="after")
    try:
        if order.deadline and parse(order.deadline) <= datetime.now(UTC):
            raise InvalidRequest("The deadline is in the past.", param="deadline")
    except ValueError as exc:
        raise InvalidRequest(
            "The deadline is no moment.", hint="Write 2026-11-25T07:00:00Z.", param="deadline"
        ) from exc
    try:
        return max(DataClass.parse(order.data_class), DataClass.parse(key.data_class))
    except ValueError as exc:
        raise InvalidRequest(f"{exc}.", param="data_class") from exc


def _queued_again(task: Task) -> Mapping[str, Any]:
    return {"state": "queued", "reason": ""} if task.state == "waiting" else {}


def _paused(task: Task) -> Mapping[str, Any]:
    if task.state in ENDED:
        raise Conflict(f"The task is {task.state}.")
    return {"paused": True, "state": "parked", "reason": PAUSED, "wake_at": ""}


def _resumed(task: Task) -> Mapping[str, Any]:
    if task.state in ENDED:
        raise Conflict(f"The task is {task.state}.")
    # One that waits asks again: what was asked before may have run out unanswered.
    state = "queued" if task.state in ("parked", "waiting") else task.state
    return {"paused": False, "state": state, "reason": "", "wake_at": ""}


def _cancelled(task: Task) -> Mapping[str, Any]:
    if task.state in ENDED:
        raise Conflict(f"The task is {task.state} already.")
    return {"state": "cancelled", "ended_at": now(), "wake_at": "", "reason": "cancelled"}


def _lies_in(path: Path, folder: Path) -> bool:
    return path.is_file() and path.resolve() == folder.resolve() / path.relative_to(folder)


def _inputs(folder: Path) -> list[str]:
    given = folder / "in"
    return sorted(f"in/{path.name}" for path in given.iterdir()) if given.is_dir() else []


def _put(folder: Path, files: Mapping[str, Path]) -> None:
    if len(files) > _MOST_FILES:
        raise InvalidRequest(f"A task takes {_MOST_FILES} files at most.", param="files")
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        total = 0
        for name, path in files.items():
            if Path(name).name != name or name in {".", ".."} or "\0" in name:
                raise InvalidRequest(f"{name[:100]!r} is no file's name.", param="files")
            total += path.stat().st_size
            if total > _LARGEST_FILES:
                raise InvalidRequest("The files are larger than 200 MiB together.", param="files")
            shutil.copyfile(path, folder / name)
    except OSError as exc:
        raise StoreError(f"The task's files cannot be kept: {exc.strerror}.") from exc
