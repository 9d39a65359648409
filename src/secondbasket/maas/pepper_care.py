"""Care for the peppers: which live keys need which, rotation, and dropping what none needs."""

import logging
from collections.abc import Callable, Iterable

import anyio
from sqlalchemy import or_, select, update

from secondbasket.core.clock import now
from secondbasket.core.decision import Decision
from secondbasket.core.pepper import PepperFact
from secondbasket.errors import BasketError
from secondbasket.maas.keys import Keys
from secondbasket.stores.database import Database
from secondbasket.stores.peppers import Peppers
from secondbasket.stores.schema import keys as table

_log = logging.getLogger(__name__)

_EVERY_SECONDS = 3600.0
_LOST = "lost"


class PepperCare:
    """Of the peppers that the keys of `database` were made under. `record` hears what changes."""

    def __init__(
        self, database: Database, peppers: Peppers, *, record: Callable[[Decision], None]
    ) -> None:
        self._database = database
        self._peppers = peppers
        self._record = record

    async def settle(self) -> None:
        """Name the pepper of keys from before peppers had names, and drop what none needs.

        Such keys were made under the home's first pepper. Where there was none
        and one had just to be drawn, theirs is lost.
        """
        name = _LOST if self._peppers.drawn else self._peppers.current.id
        adopt = update(table).where(table.c.pepper == "").values(pepper=name)
        await self._database.write(lambda connection: connection.execute(adopt))
        await self._drop_unneeded()
        for fact in await self.facts():
            if not fact.present:
                _log.error(
                    "the pepper %s is missing: %d keys cannot be checked; see `basket key peppers`",
                    fact.id,
                    len(fact.keys),
                )

    async def run(self) -> None:
        """Drop what is no longer needed, every hour until cancelled: keys expire by themselves."""
        while True:
            await anyio.sleep(_EVERY_SECONDS)
            try:
                await self._drop_unneeded()
            except BasketError as exc:
                _log.error("no pepper was dropped: %s", exc)

    async def facts(self) -> list[PepperFact]:
        """Every pepper that is here or that a live key needs; the current one first."""
        needed = await self._needed()
        here = (self._peppers.current.id, *self._peppers.older)
        return [
            PepperFact(
                id=pepper_id,
                current=pepper_id == self._peppers.current.id,
                present=pepper_id in here,
                keys=tuple(needed.get(pepper_id, ())),
            )
            for pepper_id in dict.fromkeys((*here, *sorted(needed)))
        ]

    async def rotate(self, keys: Keys, *, revoke_lost: bool) -> list[PepperFact]:
        """Have new keys made under a new pepper; console sessions end. What is so then.

        `revoke_lost` ends the keys whose pepper is missing: nobody can use
        them, and their holders are told so.
        """
        if revoke_lost:
            for fact in await self.facts():
                for key_id in () if fact.present else fact.keys:
                    await keys.revoke(key_id, by=None)
        before = self._peppers.current.id
        drawn = self._peppers.rotate()
        self._record(
            Decision(
                kind="pepper_rotated", subject=drawn.id, outcome="done", detail={"before": before}
            )
        )
        await self._drop_unneeded()
        return await self.facts()

    async def _drop_unneeded(self) -> None:
        needed = await self._needed()
        for pepper_id in _without(self._peppers.older, needed):
            self._peppers.drop(pepper_id)
            self._record(Decision(kind="pepper_dropped", subject=pepper_id, outcome="done"))

    async def _needed(self) -> dict[str, list[str]]:
        """The live keys' ids by their pepper."""
        live = or_(table.c.expires_at.is_(None), table.c.expires_at > now())
        query = select(table.c.pepper, table.c.id).where(table.c.revoked_at.is_(None), live)
        needed: dict[str, list[str]] = {}
        for pepper_id, key_id in await self._database.read(
            lambda connection: connection.execute(query.order_by(table.c.id)).all()
        ):
            needed.setdefault(pepper_id, []).append(key_id)
        return needed


def _without(peppers: Iterable[str], needed: dict[str, list[str]]) -> list[str]:
    return [pepper_id for pepper_id in peppers if pepper_id not in needed]
