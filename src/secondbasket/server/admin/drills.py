"""Drills: run one and hear how it goes, list them, show a report and its page."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from secondbasket.core.drill import DrillMoment, DrillPlan, DrillRow
from secondbasket.errors import InvalidRequest
from secondbasket.maas.drills.drills import Drills
from secondbasket.server.admin.door import read, route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.progress import Steps
from secondbasket.server.admin.words import Step

_MOST_ROWS = 10_000


def drill_routes(ports: AdminPorts) -> list[BaseRoute]:
    drills: Drills = ports.drills

    async def run(request: Request) -> Response:
        plan = await read(request, DrillPlan)
        running = drills.start(plan)

        async def work(report: Any) -> Step:
            try:
                async for moment in running.follow():
                    report(moment)
            finally:
                running.stop()  # whoever called for it went away; nothing where it has ended
            return Step(report=running.result())

        return Steps(work, step=_step)

    async def listing(request: Request) -> Sequence[DrillRow]:
        limit = request.query_params.get("limit", "100")
        if not limit.isdecimal() or not 0 < int(limit) <= _MOST_ROWS:
            raise InvalidRequest(f"'limit' is a number from 1 to {_MOST_ROWS}.", param="limit")
        return await drills.rows(limit=int(limit))

    async def show(request: Request) -> dict[str, Any]:
        return await drills.show(request.path_params["drill"])

    async def page(request: Request) -> Response:
        return HTMLResponse(await drills.page(request.path_params["drill"]))

    return [
        route("POST", "/admin/drills", run),
        route("GET", "/admin/drills", listing),
        route("GET", "/admin/drills/{drill}", show),
        route("GET", "/admin/drills/{drill}/page", page),
    ]


def _step(moment: DrillMoment) -> Step:
    return Step(drill=moment)
