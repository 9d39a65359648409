"""Approvals: a person's yes to one call with exactly these arguments, good once and for a time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from secondbasket.core.clock import now, timestamp
from secondbasket.core.ids import new_id
from secondbasket.core.key import Key
from secondbasket.core.task import Approval, Effect
from secondbasket.errors import Conflict, NotFound, PermissionDenied
from secondbasket.stores.database import Database
from secondbasket.stores.schema import approvals as table
from secondbasket.stores.schema import tasks

_GOOD_FOR = timedelta(hours=72)
_HISTORY = 200


class Approvals:
    """Every method raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, effect: Effect, *, worker: str, reviewer: str, why: str) -> Approval:
        """Ask for one, unless one is open already for the same call."""

        def work(connection: Connection) -> Approval:
            open_one = _latest(connection, effect.key)
            if open_one is not None and open_one.state == "open" and open_one.expires_at > now():
                return open_one
            asked = Approval(
                id=new_id("apr"),
                task=effect.task,
                worker=worker,
                tool=effect.tool,
                key=effect.key,
                arguments=effect.arguments,
                arguments_sha256=effect.arguments_sha256,
                reviewer=reviewer,
                state="open",
                asked_at=now(),
                expires_at=timestamp(datetime.now(UTC) + _GOOD_FOR),
                why=why,
            )
            row = {name: getattr(asked, name) for name in Approval.__struct_fields__}
            connection.execute(insert(table), row)
            return asked

        return await self._database.write(work)

    async def for_call(self, key: str) -> Approval | None:
        """What was last said about this call; an answer out of time is 'expired'."""
        return await self._database.read(lambda c: _latest(c, key))

    async def listed(
        self, *, task: str = "", open_only: bool = False, limit: int = 200
    ) -> Sequence[Approval]:
        """Newest first."""
        query = select(table).order_by(table.c.asked_at.desc(), table.c.id.desc()).limit(limit)
        if task:
            query = query.where(table.c.task == task)
        if open_only:
            query = query.where(table.c.state == "open", table.c.expires_at > now())
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_approval(row) for row in rows]

    async def answer(self, approval: str, key: Key, *, yes: bool, note: str = "") -> Approval:
        """Say yes or no, once. Raises NotFound, PermissionDenied, Conflict when it is too late."""

        def work(connection: Connection) -> Approval:
            query = select(table).where(table.c.id == approval).with_for_update()
            row = connection.execute(query).mappings().one_or_none()
            owner = row and connection.scalar(
                select(tasks.c.owner).where(tasks.c.id == row["task"])
            )
            # Whoever may not see the task is told what a stranger is told.
            if row is None or (key.role != "admin" and owner != key.id):
                raise NotFound(f"There is no approval '{approval[:64]}'.")
            if row["reviewer"] == "admin" and key.role != "admin":
                raise PermissionDenied(
                    "Only an administrator may answer this.", hint="Ask one; it stays open."
                )
            found = _approval(row)
            if found.state != "open":
                raise Conflict(f"It was answered before: {found.state}.")
            changed = {
                "state": "approved" if yes else "rejected",
                "answered_at": now(),
                "answered_by": key.id,
                "note": note,
            }
            connection.execute(update(table).where(table.c.id == approval).values(changed))
            return _approval({**row, **changed})

        return await self._database.write(work)

    async def history(self, worker: str, tool: str) -> Sequence[bool]:
        """How a worker's calls of a tool were answered, newest first."""
        query = (
            select(table.c.state)
            .where(table.c.worker == worker, table.c.tool == tool)
            .where(table.c.state.in_(("approved", "rejected", "consumed")))
            .order_by(table.c.answered_at.desc(), table.c.id.desc())
            .limit(_HISTORY)
        )
        states = await self._database.read(lambda c: c.scalars(query).all())
        return [state != "rejected" for state in states]


def consume(connection: Connection, approval: str, effect: Effect) -> None:
    """Use an approval up for exactly this effect. Raises Conflict where it is not good for it."""
    statement = (
        update(table)
        .where(table.c.id == approval, table.c.state == "approved", table.c.key == effect.key)
        .where(table.c.arguments_sha256 == effect.arguments_sha256, table.c.expires_at > now())
        .values(state="consumed")
    )
    if connection.execute(statement).rowcount != 1:
        raise Conflict(f"The approval '{approval}' is not good for this call any more.")


def _latest(connection: Connection, key: str) -> Approval | None:
    query = (
        select(table)
        .where(table.c.key == key)
        .order_by(table.c.asked_at.desc(), table.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _approval(row)


def _approval(row: Mapping[str, Any] | RowMapping) -> Approval:
    fields = {name: row[name] for name in Approval.__struct_fields__}
    if fields["state"] in ("open", "approved") and fields["expires_at"] <= now():
        fields["state"] = "expired"
    return Approval(**fields)
