"""The ledger: the append-only memory of what happened, and the source of every number."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Select, and_, func, literal, or_, select, union_all

from secondbasket.core.clock import timestamp
from secondbasket.core.decision import Decision
from secondbasket.core.egress import EgressSum
from secondbasket.core.receipt import Hop, Receipt
from secondbasket.core.usage import UsageGroup, UsageRow
from secondbasket.ledger.chain import BEGUN
from secondbasket.ledger.egress_hours import egress_between, egress_sum
from secondbasket.ledger.fold import Fold
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.seals import SEALED
from secondbasket.stores.database import Database
from secondbasket.stores.schema import decisions, receipts, rollups

_HOUR_LENGTH = len("2026-11-22T14")
_DAY_LENGTH = len("2026-11-22")
_RECEIPT = [receipts.c[name] for name in Receipt.__struct_fields__]
_SUMS = ("calls", "input_tokens", "output_tokens", "cached_input_tokens", "cost")


class Ledger:
    """Receipts and decisions: recorded into the journal, read from the database.

    Every read folds the journal first, so it is never behind what was recorded.
    Reads raise StoreError when the database fails; recording needs the journal only.
    """

    def __init__(self, journal: Journal, database: Database) -> None:
        self._journal = journal
        self._database = database
        self._fold = Fold(journal, database)

    def record(self, receipt: Receipt) -> None:
        """Write a receipt; it is durable when this returns. Raises StoreError."""
        self._journal.append(receipt)

    def record_decision(self, decision: Decision) -> None:
        """Write a decision; it is durable when this returns. Raises StoreError."""
        self._journal.append(decision)

    async def fold(self) -> None:
        """Bring what was recorded so far into the database. Raises StoreError."""
        await self._fold.fold()

    async def run(self) -> None:
        """Keep the database a quarter of a second behind at most; runs until cancelled."""
        await self._fold.run()

    async def receipt(self, request_id: str) -> Receipt | None:
        """The receipt of one request, None when there is none."""
        await self.fold()
        query = select(*_RECEIPT).where(receipts.c.request_id == request_id)
        found = await self._all(query)
        return _receipt(found[0]) if found else None

    async def rows(self, *, limit: int = 100, key_id: str | None = None) -> list[Receipt]:
        """The latest receipts, newest first."""
        await self.fold()
        query = select(*_RECEIPT).order_by(
            receipts.c.created_at.desc(), receipts.c.request_id.desc()
        )
        if key_id is not None:
            query = query.where(receipts.c.key_id == key_id)
        return [_receipt(row) for row in await self._all(query.limit(limit))]

    async def decisions(self, *, limit: int = 100, kind: str | None = None) -> list[Decision]:
        """The latest decisions, newest first; what the chain says of itself only by its kind."""
        await self.fold()
        columns = (decisions.c[name] for name in Decision.__struct_fields__)
        query = select(*columns).order_by(decisions.c.at.desc(), decisions.c.id.desc())
        if kind is None:
            query = query.where(decisions.c.kind.not_in((BEGUN, SEALED)))
        else:
            query = query.where(decisions.c.kind == kind)
        return [_decision(row) for row in await self._all(query.limit(limit))]

    async def usage(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        key_id: str | None = None,
        basket: str | None = None,
        group_by: Sequence[UsageGroup] = (),
    ) -> list[UsageRow]:
        """Sums over [since, until), one row per group and currency, in the groups' order.

        Whole hours come from the hourly sums, the parts of an hour at either
        end from the receipts themselves. By upstream, the hourly sums tell what
        each had a part in; a receipt as a whole belongs to who answered last.
        """
        await self.fold()
        source = _sums_between(since, until).subquery()
        groups = [_group(source, name) for name in group_by]
        query = select(
            *groups, source.c.currency, *(func.sum(source.c[name]).label(name) for name in _SUMS)
        )
        if key_id is not None:
            query = query.where(source.c.key_id == key_id)
        if basket is not None:
            query = query.where(source.c.basket == basket)
        query = query.group_by(*groups, source.c.currency).order_by(*groups, source.c.currency)
        return [_usage(row) for row in await self._all(query)]

    async def egress(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[EgressSum]:
        """What went through the door, from the hour of `since` to before that of `until`."""
        await self.fold()
        return [egress_sum(row) for row in await self._all(egress_between(since, until))]

    async def spent(self, key_id: str, currency: str) -> int:
        """What one key has cost so far, in nano-units of the currency."""
        return (await self._spent(currency, key_id)).get(key_id, 0)

    async def spent_by_key(self, currency: str) -> dict[str, int]:
        """What every key has cost so far, in nano-units of the currency."""
        return await self._spent(currency, None)

    async def _spent(self, currency: str, key_id: str | None) -> dict[str, int]:
        await self.fold()
        query = (
            select(rollups.c.key_id, func.sum(rollups.c.cost).label("spent"))
            .where(rollups.c.currency == currency)
            .group_by(rollups.c.key_id)
        )
        if key_id is not None:
            query = query.where(rollups.c.key_id == key_id)
        return {row["key_id"]: int(row["spent"]) for row in await self._all(query)}

    async def _all(self, query: Select[Any]) -> Sequence[RowMapping]:
        def fetch(connection: Connection) -> Sequence[RowMapping]:
            return connection.execute(query).mappings().all()

        return await self._database.read(fetch)

    async def close(self) -> None:
        """Fold what is left and close the journal, which keeps what could not be folded."""
        try:
            await self.fold()
        finally:
            self._journal.close()


def _sums_between(since: datetime | None, until: datetime | None) -> Any:
    """Sums by hour and about what, whose union covers [since, until) exactly once."""
    first = None if since is None else _hour(since + timedelta(hours=1, microseconds=-1))
    last = None if until is None else _hour(until)
    hours = select(
        rollups.c.hour,
        rollups.c.key_id,
        rollups.c.basket,
        rollups.c.upstream,
        rollups.c.currency,
        *(rollups.c[name] for name in _SUMS),
    )
    if first is not None:
        hours = hours.where(rollups.c.hour >= first)
    if last is not None:
        hours = hours.where(rollups.c.hour < last)
    at = receipts.c.created_at
    edges = []
    if since is not None and first is not None:
        edges.append(and_(at >= timestamp(since), at < first))
    if until is not None and last is not None:
        edges.append(and_(at >= last, at < timestamp(until)))
    if not edges:
        return hours
    within = [] if since is None else [at >= timestamp(since)]
    within += [] if until is None else [at < timestamp(until)]
    singles = select(
        func.substr(at, 1, _HOUR_LENGTH).label("hour"),
        receipts.c.key_id,
        receipts.c.basket,
        receipts.c.upstream,
        receipts.c.currency,
        literal(1).label("calls"),
        *(receipts.c[name] for name in _SUMS[1:]),
    ).where(or_(*edges), *within)
    return union_all(hours, singles)


def _hour(moment: datetime) -> str:
    return timestamp(moment)[:_HOUR_LENGTH]


def _group(source: Any, name: UsageGroup) -> Any:
    if name == "day":
        return func.substr(source.c.hour, 1, _DAY_LENGTH).label("day")
    return source.c["key_id" if name == "key" else name]


def _usage(row: RowMapping) -> UsageRow:
    found = dict(row)
    if "hour" in found:
        found["hour"] += ":00:00.000Z"
    # PostgreSQL sums bigints to numerics.
    return UsageRow(**found | {name: int(found[name]) for name in _SUMS})


_hops = msgspec.json.Decoder(tuple[Hop, ...])
_passed_over = msgspec.json.Decoder(dict[str, str])


def _receipt(row: RowMapping) -> Receipt:
    found = dict(row)
    hops, passed_over = found.pop("hops"), found.pop("passed_over")
    return Receipt(
        **found,
        hops=() if hops is None else _hops.decode(hops),
        passed_over={} if passed_over is None else _passed_over.decode(passed_over),
    )


def _decision(row: RowMapping) -> Decision:
    return Decision(**dict(row) | {"detail": msgspec.json.decode(row["detail"])})
