"""Hourly sums of what went through the door, kept beside the decisions that they sum."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, select

from secondbasket.core.clock import parse, timestamp
from secondbasket.core.decision import Decision
from secondbasket.core.egress import EgressSum
from secondbasket.stores.database import Database
from secondbasket.stores.schema import egress_hours

KIND = "egress_bytes"

_HOUR_LENGTH = len("2026-11-22T14")
_ABOUT = ("hour", "destination", "vendor", "law", "data_class")
_SUMS = ("sent", "received")


class EgressHours:
    """Adds up decisions of the kind 'egress_bytes', in the transaction that stores them."""

    def __init__(self, database: Database) -> None:
        add = database.insert(egress_hours)
        self._add = add.on_conflict_do_update(
            index_elements=_ABOUT,
            set_={name: egress_hours.c[name] + add.excluded[name] for name in _SUMS},
        )

    def add(self, connection: Connection, decisions: Iterable[Decision]) -> None:
        """Add those of `decisions` that are counts. Raises ValueError for one that is none."""
        sums = counted(decisions)
        if sums:
            rows = [
                dict(zip((*_ABOUT, *_SUMS), (*about, *total), strict=True))
                for about, total in sorted(sums.items())
            ]
            connection.execute(self._add, rows)


def counted(decisions: Iterable[Decision]) -> dict[tuple[str, ...], list[int]]:
    """Bytes [sent, received] by the columns they are kept under, of those that are counts.

    Raises ValueError for a count that is none.
    """
    sums: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for decision in decisions:
        if decision.kind != KIND:
            continue
        detail = decision.detail
        labels = (detail.get(name, "") for name in _ABOUT[2:])
        total = sums[_hour(parse(decision.at)), decision.subject, *labels]
        for place, name in enumerate(_SUMS):
            total[place] += int(detail.get(name, ""))
    return sums


def egress_between(since: datetime | None, until: datetime | None) -> Select[Any]:
    """The query for all sums from the hour of `since` to before that of `until`."""
    about = [egress_hours.c[name] for name in _ABOUT[1:]]
    query = select(*about, *(func.sum(egress_hours.c[name]).label(name) for name in _SUMS))
    if since is not None:
        query = query.where(egress_hours.c.hour >= _hour(since))
    if until is not None:
        query = query.where(egress_hours.c.hour < _hour(until))
    return query.group_by(*about).order_by(*about)


def egress_sum(row: RowMapping) -> EgressSum:
    # PostgreSQL sums bigints to numerics.
    return EgressSum(**dict(row) | {name: int(row[name]) for name in _SUMS})


def _hour(moment: datetime) -> str:
    return timestamp(moment)[:_HOUR_LENGTH]
