"""Are the hourly sums, which budgets and dashboards go by, those of the receipts?"""

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from secondbasket.core.receipt import Hop
from secondbasket.ledger.findings import Problems
from secondbasket.stores.schema import receipts, rollups

_ABOUT = ("hour", "key_id", "basket", "upstream", "currency")
_SUMS = ("calls", "input_tokens", "output_tokens", "cached_input_tokens", "cost")
_hops = msgspec.json.Decoder(tuple[Hop, ...])


def check_sums(connection: Connection, problems: Problems) -> None:
    """Add up the receipts again, and tell of every hour whose sums are other ones."""
    sums: dict[tuple[str, ...], list[int]] = {}
    for about, amounts in (*_whole(connection), *_by_hops(connection)):
        total = sums.setdefault(about, [0] * len(_SUMS))
        for place, amount in enumerate(amounts):
            total[place] += amount
    for row in connection.execute(select(rollups)).mappings():
        about = tuple(row[name] for name in _ABOUT)
        if [row[name] for name in _SUMS] != sums.pop(about, None):
            _tell(about, problems)
    for about in sums:
        _tell(about, problems)


def _whole(connection: Connection) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """The receipts of one upstream each."""
    columns = [receipts.c[name] for name in _ABOUT[1:]]
    hour = func.substr(receipts.c.created_at, 1, 13)
    totals = (func.sum(receipts.c[name]) for name in _SUMS[1:])
    query = select(hour, *columns, func.count(), *totals).where(receipts.c.hops.is_(None))
    for row in connection.execute(query.group_by(hour, *columns)):
        *about, calls, inputs, outputs, cached, cost = row
        yield tuple(about), [int(amount) for amount in (calls, inputs, outputs, cached, cost)]


def _by_hops(connection: Connection) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """The receipts that several upstreams had a part in: the call counts for who answered."""
    query = select(receipts).where(receipts.c.hops.is_not(None))
    for row in connection.execute(query).mappings():
        for hop in _read_hops(row["hops"]):
            amounts = [0, hop.input_tokens, hop.output_tokens, hop.cached_input_tokens, hop.cost]
            yield _about(row, hop.upstream), amounts
        yield _about(row, row["upstream"]), [1, 0, 0, 0, 0]


def _about(row: Any, upstream: str) -> tuple[str, ...]:
    return row["created_at"][:13], row["key_id"], row["basket"], upstream, row["currency"]


def _read_hops(text: str) -> tuple[Hop, ...]:
    try:
        return _hops.decode(text)
    except ValueError:  # the receipt's own seal tells of that
        return ()


def _tell(about: tuple[str, ...], problems: Problems) -> None:
    hour, key_id, basket, upstream, _ = about
    problems.add(
        "sums_changed",
        f"The sums of the hour {hour}, key {key_id}, basket {basket}, upstream {upstream} are not"
        " those of its receipts.",
    )
