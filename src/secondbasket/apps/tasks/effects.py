"""Effects: every tool call is written down before it is made, and once more when it has ended.

An intent without an outcome was under way when its process died. Nobody calls
the tool again for it until the tool or a person has said what came of it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from secondbasket.apps.tasks.approvals import consume
from secondbasket.apps.tasks.records import require_lease
from secondbasket.core.canonical import canonical
from secondbasket.core.clock import now
from secondbasket.core.task import Effect, EffectState
from secondbasket.errors import Conflict, NotFound
from secondbasket.stores.database import Database
from secondbasket.stores.schema import effects as table


def arguments_digest(arguments: Mapping[str, Any]) -> str:
    """sha256 of the canonical arguments, in hex."""
    return hashlib.sha256(canonical(dict(arguments))).hexdigest()


def effect_key(task: str, tool: str, arguments: Mapping[str, Any], nth: int) -> str:
    """The same for the same call of the same task, whoever makes it and whenever."""
    told = canonical([task, tool, dict(arguments), nth])
    return f"eff_{hashlib.sha256(told).hexdigest()[:32]}"


class Effects:
    """Every method raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key: str) -> Effect | None:
        query = select(table).where(table.c.key == key)
        row = await self._database.read(lambda c: c.execute(query).mappings().one_or_none())
        return None if row is None else _effect(row)

    async def of(self, task: str) -> Sequence[Effect]:
        """What a task meant to do, in order."""
        query = select(table).where(table.c.task == task).order_by(table.c.position)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_effect(row) for row in rows]

    async def uncertain(self) -> Sequence[Effect]:
        """Those that a person has to look into, oldest first."""
        query = select(table).where(table.c.state == "uncertain").order_by(table.c.intended_at)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_effect(row) for row in rows]

    async def intend(self, holder: str, effect: Effect, *, approval: str = "") -> None:
        """Write down what is about to be done, using up `approval` in the same transaction.

        Raises LeaseLost, Conflict for an approval that is not good any more.
        """
        row = {name: getattr(effect, name) for name in Effect.__struct_fields__}

        def work(connection: Connection) -> None:
            require_lease(connection, effect.task, holder)
            if approval:
                consume(connection, approval, effect)
            # A key that was undone may be meant again: that is what undone says.
            connection.execute(
                table.delete().where(table.c.key == effect.key, table.c.state == "undone")
            )
            connection.execute(insert(table), row)

        await self._database.write(work)

    async def end(self, key: str, state: EffectState, outcome: str) -> None:
        """What came of an intent; that of one that has ended is never changed."""
        statement = (
            update(table)
            .where(table.c.key == key, table.c.state.in_(("intended", "uncertain")))
            .values(state=state, outcome=outcome, ended_at=now())
        )
        await self._database.write(lambda c: c.execute(statement))

    async def resolve(self, key: str, state: EffectState, told: str) -> Effect:
        """A person says what came of an uncertain one. Raises NotFound, Conflict."""

        def work(connection: Connection) -> Effect:
            query = select(table).where(table.c.key == key).with_for_update()
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                raise NotFound(f"There is no effect '{key[:64]}'.")
            if row["state"] != "uncertain":
                raise Conflict(f"The effect '{key}' is {row['state']}: nothing is to be settled.")
            changed = {"state": state, "outcome": told, "ended_at": now()}
            connection.execute(update(table).where(table.c.key == key).values(changed))
            return _effect({**row, **changed})

        return await self._database.write(work)


def _effect(row: Mapping[str, Any] | RowMapping) -> Effect:
    return Effect(**{name: row[name] for name in Effect.__struct_fields__})
