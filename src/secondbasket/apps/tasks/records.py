"""Tasks and their logs in the database: who holds a task may write to it, and nobody else."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select, update

from secondbasket.core.clock import now, timestamp
from secondbasket.core.data_class import DataClass
from secondbasket.core.task import ENDED, Called, Entry, LoggedEntry, Task, TaskState, Turned
from secondbasket.core.worker import MoreLimits, TaskLimits, Worker
from secondbasket.errors import Conflict, NotFound
from secondbasket.stores.database import Database
from secondbasket.stores.schema import approvals, effects, switches, task_entries, tasks

_encode = msgspec.json.Encoder().encode
_worker = msgspec.json.Decoder(Worker)
_names = msgspec.json.Decoder(tuple[str, ...])
_entry: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_JSON_COLUMNS = ("after", "deliverables")
_MOST_CANDIDATES = 200
_WORKERS = "workers"

PAUSED = "paused"
"""Why a task is parked that a person has paused."""


class LeaseLost(Conflict):
    """Another process works on this task now: whoever reads this leaves it alone."""

    code = "lease_lost"


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A task with what only its holder needs."""

    task: Task
    worker: Worker
    paused: bool


class TaskRecords:
    """Every method raises StoreError. `holder` is the process that holds a task's lease."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, task: Task, worker: Worker) -> None:
        """One whose id is there already is left as it is."""
        row = _row(task) | {
            "document": _encode(worker).decode(),
            "paused": False,
            "wake_at": "",
            "lease_by": "",
            "lease_until": "",
        }
        statement = self._database.insert(tasks).values(row).on_conflict_do_nothing()
        await self._database.write(lambda c: c.execute(statement))

    async def find(self, task: str) -> Held:
        """Raises NotFound."""
        query = select(tasks).where(tasks.c.id == task)
        row = await self._database.read(lambda c: c.execute(query).mappings().one_or_none())
        if row is None:
            raise NotFound(f"There is no task '{task[:64]}'.", hint="`basket task list` shows all.")
        return _held(row)

    async def latest(
        self,
        *,
        owner: str | None = None,
        worker: str = "",
        states: Sequence[TaskState] = (),
        older_than: Task | None = None,
        limit: int = 100,
    ) -> list[Task]:
        """The latest tasks, newest first; those of one `owner` where one is given."""
        query = select(tasks).order_by(tasks.c.created_at.desc(), tasks.c.id.desc()).limit(limit)
        if owner is not None:
            query = query.where(tasks.c.owner == owner)
        if worker:
            query = query.where(tasks.c.worker == worker)
        if states:
            query = query.where(tasks.c.state.in_(states))
        if older_than is not None:
            moment, last = older_than.created_at, older_than.id
            same = and_(tasks.c.created_at == moment, tasks.c.id < last)
            query = query.where(or_(tasks.c.created_at < moment, same))
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_held(row).task for row in rows]

    async def ended_between(
        self, since: str, until: str, *, owner: str | None, limit: int
    ) -> list[Task]:
        """Tasks that came to their end in [since, until), oldest first."""
        query = (
            select(tasks)
            .where(tasks.c.ended_at >= since, tasks.c.ended_at < until)
            .order_by(tasks.c.ended_at, tasks.c.id)
            .limit(limit)
        )
        if owner is not None:
            query = query.where(tasks.c.owner == owner)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_held(row).task for row in rows]

    async def waiting_for_hands(self) -> bool:
        """Is there any task that is not at its end?"""
        query = select(tasks.c.id).where(tasks.c.state.not_in(ENDED)).limit(1)
        return await self._database.read(lambda c: c.scalar(query)) is not None

    async def claim(self, holder: str, *, seconds: float, limit: int) -> list[Held]:
        """Take up to `limit` tasks that can go on: the most urgent first, the oldest among equals.

        Whose lease has run out belongs to a process that died, and is taken over.
        """

        def work(connection: Connection) -> list[Held]:
            if _off(connection):
                return []
            moment = now()
            ready = or_(
                tasks.c.state.in_(("queued", "planning", "working")),
                and_(tasks.c.state == "parked", tasks.c.wake_at != "", tasks.c.wake_at <= moment),
            )
            query = (
                select(tasks)
                .where(ready, tasks.c.paused.is_(False))
                .where(or_(tasks.c.lease_by == "", tasks.c.lease_until < moment))
                .order_by(tasks.c.priority.desc(), tasks.c.created_at, tasks.c.id)
                .limit(_MOST_CANDIDATES)
                .with_for_update(skip_locked=True)
            )
            taken: list[Held] = []
            for row in connection.execute(query).mappings().all():
                if len(taken) == limit:
                    break
                state, reason = _before(connection, _names.decode(row["after"]))
                if state == "wait":
                    continue
                if state == "never":
                    down = {"state": "waiting", "reason": reason, "updated_at": moment}
                    connection.execute(update(tasks).where(tasks.c.id == row["id"]).values(down))
                    continue
                changed: dict[str, Any] = {
                    "lease_by": holder,
                    "lease_until": _later(seconds),
                    # One that was under way is the same run still, whoever goes on with it.
                    "run": row["run"] + (not row["lease_by"]),
                    "state": "working" if row["steps"] else "planning",
                    "reason": "",
                    "wake_at": "",
                    "updated_at": moment,
                    "started_at": row["started_at"] or moment,
                }
                connection.execute(update(tasks).where(tasks.c.id == row["id"]).values(changed))
                taken.append(_held({**row, **changed}))
            return taken

        return await self._database.write(work)

    async def renew(self, holder: str, *, seconds: float) -> None:
        """Go on holding everything that `holder` holds."""
        statement = (
            update(tasks).where(tasks.c.lease_by == holder).values(lease_until=_later(seconds))
        )
        await self._database.write(lambda c: c.execute(statement))

    async def log(self, task: str, *, upto: int | None = None) -> list[LoggedEntry]:
        """What a task did, in order; the first `upto` of it where that is given."""
        query = (
            select(task_entries)
            .where(task_entries.c.task == task)
            .order_by(task_entries.c.position)
            .limit(upto)
        )
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_logged(row) for row in rows]

    async def entry(self, task: str, position: int) -> LoggedEntry | None:
        """What stands at `position` of the log; None where it has not come so far."""
        query = select(task_entries).where(
            task_entries.c.task == task, task_entries.c.position == position
        )
        row = await self._database.read(lambda c: c.execute(query).mappings().one_or_none())
        return None if row is None else _logged(row)

    async def worked_minutes(self, task: str) -> float:
        """How long its steps took so far."""
        query = select(func.sum(task_entries.c.duration_ms)).where(task_entries.c.task == task)
        worked: float | None = await self._database.read(lambda c: c.scalar(query))
        return (worked or 0.0) / 60_000

    async def append(self, task: str, holder: str, logged: LoggedEntry) -> None:
        """Add to the log of a task that `holder` holds. Raises LeaseLost."""
        entry = logged.entry
        row = {
            "task": task,
            "position": logged.position,
            "at": logged.at,
            "run": logged.run,
            "duration_ms": logged.duration_ms,
            "entry": _encode(entry).decode(),
        }

        def work(connection: Connection) -> None:
            held = require_lease(connection, task, holder)
            changed: dict[str, Any] = {
                "steps": logged.position + 1,
                "updated_at": logged.at,
            }
            if held["state"] not in ENDED:  # somebody may have cancelled it meanwhile
                changed["state"] = "working"
            if isinstance(entry, Turned):
                changed["input_tokens"] = held["input_tokens"] + entry.input_tokens
                changed["output_tokens"] = held["output_tokens"] + entry.output_tokens
                changed["cost"] = held["cost"] + entry.cost
            if isinstance(entry, Called):
                before = _names.decode(held["deliverables"])
                files = tuple(dict.fromkeys((*before, *entry.files)))
                changed["deliverables"] = _encode(files).decode()
                changed["data_class"] = _higher(held["data_class"], entry.data_class)
            connection.execute(insert(task_entries), row)
            connection.execute(update(tasks).where(tasks.c.id == task).values(changed))

        await self._database.write(work)

    async def settle(
        self, task: str, holder: str, state: TaskState, *, reason: str = "", wake_at: str = ""
    ) -> None:
        """Put a task down as `state`, and let go of it. Raises LeaseLost."""
        moment = now()
        changed = {
            "state": state,
            "reason": reason,
            "wake_at": wake_at,
            "updated_at": moment,
            "ended_at": moment if state in ENDED else "",
        }

        free = {"lease_by": "", "lease_until": ""}

        def work(connection: Connection) -> None:
            held = require_lease(connection, task, holder)
            # What somebody cancelled while its last step was made stays cancelled.
            values = free if held["state"] in ENDED else changed | free
            if values.get("state") == "waiting" and not _waits(connection, task):
                # Somebody was quicker to answer than we were to put it down.
                values |= {"state": "queued", "reason": ""}
            if values.get("reason") == PAUSED and not held["paused"]:
                # Somebody resumed it before it was put down.
                values |= {"state": "queued", "reason": ""}
            connection.execute(update(tasks).where(tasks.c.id == task).values(values))

        await self._database.write(work)

    async def release(self, task: str, holder: str) -> None:
        """Let go of a task as it stands: whoever is next goes on with it at once."""
        statement = (
            update(tasks)
            .where(tasks.c.id == task, tasks.c.lease_by == holder)
            .values(lease_by="", lease_until="")
        )
        await self._database.write(lambda c: c.execute(statement))

    async def change(self, task: str, how: Callable[[Task], Mapping[str, Any]]) -> Task:
        """What a person changes of a task: `how` tells the columns, or raises. Raises NotFound."""
        return await self._change(task, lambda held: how(held.task))

    async def _change(self, task: str, how: Callable[[Held], Mapping[str, Any]]) -> Task:
        def work(connection: Connection) -> Task:
            query = select(tasks).where(tasks.c.id == task).with_for_update()
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                raise NotFound(
                    f"There is no task '{task[:64]}'.", hint="`basket task list` shows all."
                )
            changed = {"updated_at": now(), **how(_held(row))}
            connection.execute(update(tasks).where(tasks.c.id == task).values(changed))
            return _held({**row, **changed}).task

        return await self._database.write(work)

    async def raise_limits(self, task: str, more: MoreLimits) -> None:
        """Let a task use so much more than its worker's file says. Raises NotFound."""

        def how(held: Held) -> Mapping[str, Any]:
            worker = msgspec.structs.replace(held.worker, limits=_raised(held.worker.limits, more))
            return {"document": _encode(worker).decode()}

        await self._change(task, how)

    async def replace_before(self, old: str, new: str) -> None:
        """Have what comes after the task `old` come after `new` instead, and wait no more."""

        def work(connection: Connection) -> None:
            query = (
                select(tasks)
                .where(tasks.c.after.contains(old, autoescape=True))
                .where(tasks.c.state.not_in(ENDED))
                .with_for_update()
            )
            for row in connection.execute(query).mappings().all():
                names = tuple(new if e == old else e for e in _names.decode(row["after"]))
                changed = {"after": _encode(names).decode(), "updated_at": now()}
                if row["state"] == "waiting" and not row["steps"]:
                    changed |= {"state": "queued", "reason": ""}
                connection.execute(update(tasks).where(tasks.c.id == row["id"]).values(changed))

        await self._database.write(work)

    async def to_break_off(self, holder: str) -> list[str]:
        """Tasks that `holder` works on and nobody wants it to: cancelled, paused, or all if off."""

        def work(connection: Connection) -> list[str]:
            query = select(tasks.c.id).where(tasks.c.lease_by == holder)
            if not _off(connection):
                query = query.where(or_(tasks.c.paused, tasks.c.state == "cancelled"))
            return list(connection.scalars(query))

        return await self._database.read(work)

    async def off(self) -> bool:
        """Were all workers paused?"""
        return await self._database.read(_off)

    async def switch(self, *, off: bool, by: str) -> None:
        """The one switch: while it is off, no task of anybody goes on, in any process."""

        def work(connection: Connection) -> None:
            connection.execute(delete(switches).where(switches.c.name == _WORKERS))
            if off:
                row = {"name": _WORKERS, "at": now(), "by": by}
                connection.execute(insert(switches), row)

        await self._database.write(work)


def _off(connection: Connection) -> bool:
    return connection.scalar(select(switches.c.name).where(switches.c.name == _WORKERS)) is not None


def require_lease(connection: Connection, task: str, holder: str) -> RowMapping:
    """The task's row, which `holder` holds until the transaction ends. Raises LeaseLost."""
    query = select(tasks).where(tasks.c.id == task).with_for_update()
    row = connection.execute(query).mappings().one()
    if row["lease_by"] != holder:
        raise LeaseLost(f"The task '{task}' is worked on elsewhere.")
    return row


def _raised(limits: TaskLimits, more: MoreLimits) -> TaskLimits:
    money = None
    if limits.money is not None:
        money = limits.money + more.money
    return TaskLimits(
        money=money,
        tokens=limits.tokens + more.tokens,
        minutes=limits.minutes + more.minutes,
        steps=limits.steps + more.steps,
    )


def _waits(connection: Connection, task: str) -> bool:
    """Is there anything of this task that a person has not answered?"""
    asked = select(approvals.c.id).where(approvals.c.task == task, approvals.c.state == "open")
    unclear = select(effects.c.key).where(effects.c.task == task, effects.c.state == "uncertain")
    return any(connection.scalar(each.limit(1)) is not None for each in (asked, unclear))


def _before(
    connection: Connection, after: Sequence[str]
) -> tuple[Literal["begin", "wait", "never"], str]:
    """May a task begin that comes after these? 'never': not until a person does what is told."""
    if not after:
        return "begin", ""
    query = select(tasks.c.id, tasks.c.state).where(tasks.c.id.in_(after), tasks.c.state != "done")
    open_ones = connection.execute(query.order_by(tasks.c.created_at, tasks.c.id)).all()
    for task, state in open_ones:
        if state in ENDED:
            told = f"it comes after {task}, which is {state}: rework that one, or cancel this one"
            return "never", told
    return ("wait", "") if open_ones else ("begin", "")


def _later(seconds: float) -> str:
    return timestamp(datetime.now(UTC) + timedelta(seconds=seconds))


def _higher(one: str, other: str) -> str:
    return max(DataClass.parse(one), DataClass.parse(other)).label


def _row(task: Task) -> dict[str, Any]:
    row = msgspec.structs.asdict(task)
    return row | {name: _encode(tuple(row[name])).decode() for name in _JSON_COLUMNS}


def _held(row: Mapping[str, Any] | RowMapping) -> Held:
    fields = {name: row[name] for name in Task.__struct_fields__}
    for name in _JSON_COLUMNS:
        fields[name] = _names.decode(fields[name])
    return Held(task=Task(**fields), worker=_worker.decode(row["document"]), paused=row["paused"])


def _logged(row: RowMapping) -> LoggedEntry:
    return LoggedEntry(
        position=row["position"],
        at=row["at"],
        run=row["run"],
        duration_ms=row["duration_ms"],
        entry=_entry.decode(row["entry"]),
    )
