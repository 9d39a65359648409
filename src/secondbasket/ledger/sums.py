"""Are the hourly sums, which budgets and dashboards go by, those of the rows they sum?"""

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from secondbasket.core.decision import Decision
from secondbasket.core.receipt import Hop
from secondbasket.ledger.egress_hours import KIND as EGRESS
from secondbasket.ledger.egress_hours import counted
from secondbasket.ledger.findings import Problems
from secondbasket.stores.schema import decisions, egress_hours, receipts, rollups

_ABOUT = ("hour", "key_id", "basket", "upstream", "currency")
_SUMS = ("calls", "input_tokens", "output_tokens", "cached_input_tokens", "cost")
_hops = msgspec.json.Decoder(tuple[Hop, ...])


def check_sums(connection: Connection, problems: Problems) -> None:
    """Add up receipts and counted bytes again, and tell of every hour whose sums are other ones."""
    _check_usage(connection, problems)
    _check_egress(connection, problems)


def _check_usage(connection: Connection, problems: Problems) -> None:
    sums: dict[tuple[str, ...], list[int]] = {}
    for about, amounts in (*_whole(connection), *_by_hops(connection)):
        total = sums.setdefault(about, [0] * len(_SUMS))
        for place, amount in enumerate(amounts):
            total[place] += amount
    for row in connection.execute(select(rollups)).mappings():
        about = tuple(row[name] for name in _ABOUT)
        if [row[name] for name in _SUMS] != sums.pop(about, None):
            _tell_usage(about, problems)
    for about in sums:
        _tell_usage(about, problems)


def _check_egress(connection: Connection, problems: Problems) -> None:
    query = select(*(decisions.c[name] for name in Decision.__struct_fields__))
    sums: dict[tuple[str, ...], list[int]] = {}
    for row in connection.execute(query.where(decisions.c.kind == EGRESS)).mappings():
        try:
            detail = msgspec.json.decode(row["detail"], type=dict[str, str])
            counts = counted([Decision(**dict(row) | {"detail": detail})])
        except (ValueError, TypeError):  # the entry's own hash tells of that
            continue
        for about, amounts in counts.items():
            total = sums.setdefault(about, [0, 0])
            for place, amount in enumerate(amounts):
                total[place] += amount
    kept = {tuple(about): amounts for *about, amounts in _kept_egress(connection)}
    for about in sorted(kept.keys() | sums.keys(), key=str):
        if kept.get(about) != sums.get(about):
            told = f"The bytes of the hour {about[0]} to {about[1]} are not those of its decisions."
            problems.add("sums_changed", told)


def _kept_egress(connection: Connection) -> Iterator[tuple[Any, ...]]:
    for row in connection.execute(select(egress_hours)):
        *about, sent, received = row
        yield *about, [sent, received]


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
    except (ValueError, TypeError):  # the receipt's own seal tells of that
        return ()


def _tell_usage(about: tuple[str, ...], problems: Problems) -> None:
    hour, key_id, basket, upstream, _ = about
    problems.add(
        "sums_changed",
        f"The sums of the hour {hour}, key {key_id}, basket {basket}, upstream {upstream} are not"
        " those of its receipts.",
    )
