"""What was used and what it cost: sums and receipts, straight from the ledger."""

from collections.abc import Sequence
from typing import get_args

from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.core.egress import EgressSum
from secondbasket.core.receipt import Receipt
from secondbasket.core.usage import UsageGroup, UsageRow
from secondbasket.errors import InvalidRequest, NotFound
from secondbasket.server.admin.door import moment, route
from secondbasket.server.admin.ports import AdminPorts

_MOST_RECEIPTS = 10_000


def account_routes(ports: AdminPorts) -> list[BaseRoute]:
    async def usage(request: Request) -> Sequence[UsageRow]:
        return await ports.ledger.usage(
            since=moment(request, "since"),
            until=moment(request, "until"),
            key_id=request.query_params.get("key"),
            basket=request.query_params.get("basket"),
            group_by=_groups(request.query_params.getlist("by")),
        )

    async def receipt(request: Request) -> Receipt:
        request_id = request.path_params["request_id"]
        found = await ports.ledger.receipt(request_id)
        if found is None:
            raise NotFound(
                f"There is no receipt '{request_id[:64]}'.",
                hint="`basket usage --rows` lists the latest.",
            )
        return found

    async def receipts(request: Request) -> Sequence[Receipt]:
        limit = request.query_params.get("limit", "100")
        if not limit.isdecimal() or not 0 < int(limit) <= _MOST_RECEIPTS:
            raise InvalidRequest(f"'limit' is a number from 1 to {_MOST_RECEIPTS}.", param="limit")
        return await ports.ledger.rows(limit=int(limit), key_id=request.query_params.get("key"))

    async def egress(request: Request) -> Sequence[EgressSum]:
        ports.tell_egress()
        return await ports.ledger.egress(
            since=moment(request, "since"), until=moment(request, "until")
        )

    return [
        route("GET", "/admin/usage", usage),
        route("GET", "/admin/egress", egress),
        route("GET", "/admin/receipts", receipts),
        route("GET", "/admin/receipts/{request_id}", receipt),
    ]


def _groups(names: Sequence[str]) -> tuple[UsageGroup, ...]:
    known: tuple[UsageGroup, ...] = get_args(UsageGroup)
    groups = tuple(group for name in names for group in known if group == name)
    if len(groups) != len(names):
        raise InvalidRequest(f"Usage is grouped by {', '.join(known)}.", param="by")
    return groups
