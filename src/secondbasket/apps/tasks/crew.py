"""Makes the moves of tasks: each once, into the log first, under the lease of this process."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from secondbasket.apps.tasks.halts import Halt
from secondbasket.apps.tasks.hands import Hands
from secondbasket.apps.tasks.mind import Mind
from secondbasket.apps.tasks.moves import Ask, Brief, Call, Fix, Stop
from secondbasket.apps.tasks.records import PAUSED, Held, TaskRecords
from secondbasket.core.clock import now, parse, timestamp
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.task import Called, Entry, LoggedEntry, Planned

_AT_ONCE = 0.001


class Crew:
    """`holder` names this process in leases; `key_of` finds the key of a task's owner.

    Once `stop` is called, every move halts.
    """

    def __init__(
        self,
        records: TaskRecords,
        mind: Mind,
        hands: Hands,
        *,
        holder: str,
        folder_of: Callable[[str], Path],
        key_of: Callable[[str], Key | None],
    ) -> None:
        self.holder = holder
        self._key_of = key_of
        self._records = records
        self._mind = mind
        self._hands = hands
        self._folder_of = folder_of
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._stopping = False

    async def brief(self, task: str) -> Brief:
        """What stays the same however often a task is taken up again."""
        held = await self._records.find(task)
        folder = self._folder_of(task) / "in"
        files = await anyio.to_thread.run_sync(_names_in, folder)
        return Brief(
            worker=held.worker,
            text=held.task.text,
            files=files,
            tools=self._hands.facts(held.worker.tools),
            data_class=held.task.data_class,
        )

    async def log(self, task: str, upto: int) -> list[Entry]:
        return [each.entry for each in await self._records.log(task, upto=upto)]

    async def make(
        self, task: str, position: int, move: Ask | Call | Fix, log: Sequence[Entry]
    ) -> Entry | Halt:
        """The entry that `move` leaves at `position` of the log; made now, unless it was before."""
        with anyio.CancelScope() as scope:
            self._scopes[task] = scope
            try:
                return await self._make(task, position, move, log)
            finally:
                del self._scopes[task]
        return await self._broken_off(task, move)

    async def _broken_off(self, task: str, move: Ask | Call | Fix) -> Halt:
        """Why the move was left in its middle. What a cancelled task had begun is told of now:
        nobody will take it up again, as they do where a task is paused."""
        if self._stopping:
            return Halt(state="working", reason="the process stopped")
        held = await self._records.find(task)
        if held.task.state == "cancelled" and isinstance(move, Call):
            await self._hands.leave(move, task=task, worker=held.worker)
        return self._may_not(held, 0.0) or Halt(
            state="parked", reason="it was broken off", again_seconds=_AT_ONCE
        )

    async def _make(
        self, task: str, position: int, move: Ask | Call | Fix, log: Sequence[Entry]
    ) -> Entry | Halt:
        if (made := await self._records.entry(task, position)) is not None:
            return made.entry
        held = await self._records.find(task)
        if halt := self._may_not(held, await self._records.worked_minutes(task)):
            return halt
        if await self._records.off():
            # Nobody takes it up while they are off; once they are on, it goes on at once.
            return Halt(state="parked", reason="all workers are paused", again_seconds=_AT_ONCE)
        began = time.perf_counter()
        entry = await self._entry(held, position, move, log)
        if isinstance(entry, Halt):
            return entry
        logged = LoggedEntry(
            position=position,
            at=now(),
            run=held.task.run,
            duration_ms=round(1000 * (time.perf_counter() - began), 3),
            entry=entry,
        )
        await self._records.append(task, self.holder, logged)
        return entry

    async def _entry(
        self, held: Held, position: int, move: Ask | Call | Fix, log: Sequence[Entry]
    ) -> Entry | Halt:
        task = held.task
        if isinstance(move, Fix):
            return Planned(steps=tuple(move.steps))
        if isinstance(move, Ask):
            return await self._mind.turn(
                move,
                owner=task.owner,
                basket=held.worker.basket,
                data_class=_class_of(held, log),
            )
        return await self._hands.call(
            move,
            task=task.id,
            holder=self.holder,
            worker=held.worker,
            data_class=_class_of(held, log),
            position=position,
            log=log,
        )

    def _may_not(self, held: Held, minutes: float) -> Halt | None:
        """Why nothing is done for this task now, whatever the plan says."""
        task, limits = held.task, held.worker.limits
        if self._stopping:
            return Halt(state="working", reason="the process stopped")
        if task.state == "cancelled":
            return Halt(state="cancelled", reason=task.reason)
        if self._key_of(task.owner) is None:
            return Halt(state="cancelled", reason="the key of whoever asked for it is gone")
        if held.paused:
            return Halt(state="parked", reason=PAUSED)
        if task.deadline and datetime.now(UTC) > parse(task.deadline):
            return Halt(state="failed", reason=f"its deadline, {task.deadline}, has passed")
        if minutes >= limits.minutes:
            return Halt(state="parked", reason=f"its limit of {limits.minutes:g} minutes")
        if limits.money is not None and task.cost >= limits.money * 1e9:
            return Halt(state="parked", reason=f"its limit of {limits.money:g} in money")
        return None

    async def settle(self, task: str, outcome: Stop | Halt) -> None:
        """Put the task down as `outcome` says, or leave it as it is where this process stops."""
        wake_at = ""
        if isinstance(outcome, Halt):
            if outcome.state == "working":
                await self._records.release(task, self.holder)
                return
            if outcome.again_seconds:
                wake_at = _in(outcome.again_seconds)
        await self._records.settle(
            task, self.holder, outcome.state, reason=outcome.reason, wake_at=wake_at
        )

    def stop(self) -> None:
        """Leave off: what is under way is cancelled, and tasks keep the state they are in."""
        self._stopping = True
        for scope in tuple(self._scopes.values()):
            scope.cancel()

    def break_off(self, task: str) -> None:
        """Leave the move of this task that is being made, if there is one, where it is."""
        if (scope := self._scopes.get(task)) is not None:
            scope.cancel()


def _class_of(held: Held, log: Sequence[Entry]) -> DataClass:
    """The highest class of the worker, the task, and everything that it has read."""
    read = (DataClass.parse(e.data_class) for e in log if isinstance(e, Called))
    own = DataClass.parse(held.worker.data_class), DataClass.parse(held.task.data_class)
    return max((*own, *read))


def _names_in(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        return ()
    return tuple(sorted(f"in/{path.name}" for path in folder.iterdir() if path.is_file()))


def _in(seconds: float) -> str:
    return timestamp(datetime.now(UTC) + timedelta(seconds=seconds))
