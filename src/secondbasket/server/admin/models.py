"""Models: what is installed, what could be, and bringing it here."""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from secondbasket.core.model import ModelRecord
from secondbasket.core.ports import PullProgress, Report
from secondbasket.server.admin.door import read, route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.progress import Steps
from secondbasket.server.admin.words import PullOrder, Removed, Step, Verified


def model_routes(ports: AdminPorts) -> list[BaseRoute]:
    async def listing(_request: Request) -> Sequence[ModelRecord]:
        return await ports.models.list()

    async def show(request: Request) -> ModelRecord:
        return await ports.models.get(request.path_params["name"])

    async def remove(request: Request) -> Removed:
        name = request.path_params["name"]
        return Removed(name, await ports.models.remove(name))

    async def recommend(_request: Request) -> Sequence[msgspec.Struct]:
        return await ports.models.recommend()

    async def pull(request: Request) -> Response:
        order = await read(request, PullOrder)

        async def work(report: Report) -> Step:
            record = await ports.models.pull(
                order.wanted,
                name=order.name,
                task=order.task,
                replace=order.replace,
                report=report,
            )
            return Step(model=record)

        return Steps(work, step=_step)

    async def verify(request: Request) -> Response:
        name = request.query_params.get("name")
        records = await ports.models.list() if name is None else [await ports.models.get(name)]

        async def work(report: Report) -> Step:
            broken = await ports.models.verify(records, report)
            return Step(verified=Verified(tuple(each.name for each in records), tuple(broken)))

        return Steps(work, step=_step)

    return [
        route("GET", "/admin/models", listing),
        route("GET", "/admin/models/{name}", show),
        route("DELETE", "/admin/models/{name}", remove),
        route("GET", "/admin/recommendations", recommend),
        route("POST", "/admin/pull", pull),
        route("POST", "/admin/verify", verify),
    ]


def _step(progress: PullProgress) -> Step:
    return Step(progress=progress)
