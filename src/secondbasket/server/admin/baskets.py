"""Baskets: what their upstreams share, and whether they are equally good."""

from collections.abc import Callable, Sequence

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from secondbasket.errors import InvalidRequest
from secondbasket.maas.independence import Findings
from secondbasket.maas.parity.orders import ParityOrder
from secondbasket.maas.parity.results import ParityRun
from secondbasket.server.admin.door import read, route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.progress import Steps
from secondbasket.server.admin.words import CasesAsked, Step

_MOST_RUNS = 1000


def basket_routes(ports: AdminPorts) -> list[BaseRoute]:
    async def lint(request: Request) -> Findings:
        # In a thread: the first look reads the list of public suffixes.
        return await anyio.to_thread.run_sync(ports.findings, request.query_params.get("basket"))

    async def measure(request: Request) -> Response:
        order = await read(request, ParityOrder)

        async def work(tell: Callable[[CasesAsked], None]) -> Step:
            run = await ports.parity.run(order, lambda *asked: tell(CasesAsked(*asked)))
            return Step(parity=run)

        return Steps(work, step=lambda asked: Step(asked=asked))

    async def runs(request: Request) -> Sequence[ParityRun]:
        limit = request.query_params.get("limit", "20")
        if not limit.isdecimal() or not 0 < int(limit) <= _MOST_RUNS:
            raise InvalidRequest(f"'limit' is a number from 1 to {_MOST_RUNS}.", param="limit")
        basket = request.query_params.get("basket")
        return await ports.parity.list(basket=basket, limit=int(limit))

    async def run(request: Request) -> ParityRun:
        return await ports.parity.find(request.path_params["run_id"])

    return [
        route("GET", "/admin/lint", lint),
        route("POST", "/admin/parity", measure),
        route("GET", "/admin/parity", runs),
        route("GET", "/admin/parity/{run_id}", run),
    ]
