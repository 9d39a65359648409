"""Checks that hold for any ledger, whatever happened to it."""

from collections import Counter

from sqlalchemy import Connection, func, select

from secondbasket.stores.database import Database
from secondbasket.stores.schema import receipts, rollups

SUMS = ("input_tokens", "output_tokens", "cached_input_tokens", "cost")


def _sums_of_rows(connection: Connection) -> Counter[tuple[str, ...]]:
    hour = func.substr(receipts.c.created_at, 1, 13)
    about = (hour, *(receipts.c[n] for n in ("key_id", "basket", "upstream", "currency")))
    query = select(*about, func.count(), *(func.sum(receipts.c[name]) for name in SUMS))
    return Counter(tuple(str(v) for v in row) for row in connection.execute(query.group_by(*about)))


def _sums_kept(connection: Connection) -> Counter[tuple[str, ...]]:
    names = ("hour", "key_id", "basket", "upstream", "currency", "calls", *SUMS)
    query = select(*(rollups.c[name] for name in names))
    return Counter(tuple(str(v) for v in row) for row in connection.execute(query))


async def request_ids(database: Database) -> Counter[str]:
    """Each receipt's request id, and how many rows have it."""
    query = select(receipts.c.request_id)
    return Counter(await database.read(lambda c: c.scalars(query).all()))


async def sums_equal_rows(database: Database) -> bool:
    """Whether the hourly sums are exactly the sums of the rows."""
    rows, kept = await database.read(lambda c: (_sums_of_rows(c), _sums_kept(c)))
    return rows == kept
