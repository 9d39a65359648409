"""The usage page: sums of the ledger as a chart and as its table twin, and the latest receipts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, cast, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from secondbasket.core.clock import parse
from secondbasket.core.story import hops_of
from secondbasket.core.usage import UsageGroup, UsageRow
from secondbasket.errors import NotFound
from secondbasket.maas.sessions import Session
from secondbasket.server.console.chart import Point, columns, timeline
from secondbasket.server.console.desk import Desk

PERIODS: Mapping[str, tuple[str, timedelta]] = {
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "90d": ("Last 90 days", timedelta(days=90)),
}
Group = Literal["hour", "day", "model", "key"]
GROUPS: Mapping[Group, str] = {
    "hour": "Hour",
    "day": "Day",
    "model": "Model",
    "key": "Key",
}
# The model a caller names is a basket.
_LEDGER_GROUPS: Mapping[Group, UsageGroup] = {
    "hour": "hour",
    "day": "day",
    "model": "basket",
    "key": "key",
}
_MOST_HOURS = timedelta(days=7)
_RECENT = 20


class View(msgspec.Struct, frozen=True):
    """What the page was asked for. `narrowed`: hours of so long a period became days."""

    period: str
    group_by: Group
    narrowed: bool = False


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """Usage under one `name`, in one currency; cost in nano-units."""

    name: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: int
    currency: str


def usage_routes(desk: Desk) -> list[BaseRoute]:
    ledger, keys = desk.ports.ledger, desk.ports.keys

    async def usage(request: Request) -> Response:
        session = await desk.signed_in(request)
        view = read_view(request.query_params)
        now = datetime.now(UTC)
        since = start(view, now)
        rows = await ledger.usage(
            since=since,
            until=now,
            key_id=_only_own(session),
            group_by=(_LEDGER_GROUPS[view.group_by],),
        )
        names = {key.id: key.name for key in await keys.list()} if view.group_by == "key" else {}
        sums = [sum_of(row, names) for row in rows]
        whole = "hx-request" not in request.headers
        return desk.page(
            request,
            "usage.html" if whole else "usage_sums.html",
            session=session,
            view=view,
            periods={name: title for name, (title, _) in PERIODS.items()},
            groups=GROUPS,
            sums=sums,
            totals=totals(sums),
            chart=columns(points(sums, view.group_by, since, now)),
            recent=await ledger.rows(key_id=_only_own(session), limit=_RECENT) if whole else (),
        )

    async def receipt(request: Request) -> Response:
        session = await desk.signed_in(request)
        request_id = request.path_params["request_id"]
        found = await ledger.receipt(request_id)
        # Someone else's receipt and none at all are told alike: ids must not be worth guessing.
        if found is None or _only_own(session) not in (None, found.key_id):
            raise NotFound(
                f"There is no receipt {request_id[:64]}.",
                hint="Receipts are listed under Usage; each answer shows its own.",
            )
        return desk.page(
            request,
            "receipt.html",
            session=session,
            receipt=found,
            hops=timeline(hops_of(found), whole=found.duration_ms),
        )

    return [Route("/usage", usage), Route("/receipts/{request_id}", receipt)]


def read_view(query: Mapping[str, str]) -> View:
    """The view a query asks for; what it asks wrongly falls back to the default."""
    period = query.get("period", "7d")
    if period not in PERIODS:
        period = "7d"
    asked = query.get("by", "")
    group_by = cast(Group, asked) if asked in get_args(Group) else "day"
    if group_by == "hour" and PERIODS[period][1] > _MOST_HOURS:
        return View(period, "day", narrowed=True)
    return View(period, group_by)


def start(view: View, now: datetime) -> datetime:
    """The period's beginning, moved so that it holds whole hours or whole days up to `now`."""
    _, length = PERIODS[view.period]
    if view.group_by == "day":
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - length + timedelta(days=1)
    hour = now.replace(minute=0, second=0, microsecond=0)
    return hour - length + timedelta(hours=1)


def sum_of(row: UsageRow, key_names: Mapping[str, str]) -> Sum:
    """A row of the ledger under the name a person knows it by."""
    hour = row.hour and hour_name(parse(row.hour))
    key = row.key_id and key_names.get(row.key_id, row.key_id)
    return Sum(
        name=hour or row.day or row.basket or key or "",
        calls=row.calls,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost=row.cost,
        currency=row.currency,
    )


def hour_name(hour: datetime) -> str:
    return f"{hour:%Y-%m-%d %H:00} UTC"


def points(sums: Sequence[Sum], group_by: Group, since: datetime, until: datetime) -> list[Point]:
    """One point a name; over time also where nothing was used, so that gaps can be seen."""
    given: dict[str, int] = defaultdict(int)
    written: dict[str, int] = defaultdict(int)
    for row in sums:
        given[row.name] += row.input_tokens
        written[row.name] += row.output_tokens
    if group_by == "hour":
        labels = {hour_name(hour): f"{hour:%H:%M}" for hour in _steps(since, until, hours=1)}
    elif group_by == "day":
        labels = {f"{day:%Y-%m-%d}": f"{day.day} {day:%b}" for day in _steps(since, until, days=1)}
    else:
        labels = {name: _clip(name) for name in given}
    return [Point(name, label, given[name], written[name]) for name, label in labels.items()]


def totals(sums: Sequence[Sum]) -> list[Sum]:
    """One sum for each currency: money of different currencies is never added."""
    by_currency: dict[str, list[Sum]] = defaultdict(list)
    for row in sums:
        by_currency[row.currency].append(row)
    return [
        Sum(
            name="Total",
            calls=sum(row.calls for row in found),
            input_tokens=sum(row.input_tokens for row in found),
            output_tokens=sum(row.output_tokens for row in found),
            cost=sum(row.cost for row in found),
            currency=currency,
        )
        for currency, found in sorted(by_currency.items())
    ]


def _only_own(session: Session) -> str | None:
    """The key whose rows may be seen; None: of every key."""
    return None if session.key.role == "admin" else session.key.id


def _steps(since: datetime, until: datetime, **step: int) -> Iterator[datetime]:
    while since <= until:
        yield since
        since += timedelta(**step)


def _clip(name: str, most: int = 16) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
