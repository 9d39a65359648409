"""The process and the silicon under it."""

import os
from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.core.chip import Chip
from secondbasket.core.reloaded import Reloaded
from secondbasket.server.admin.door import route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.words import Status, Stopping


def machine_routes(ports: AdminPorts) -> list[BaseRoute]:
    async def status(_request: Request) -> Status:
        return ports.status()

    async def chips(request: Request) -> Sequence[Chip]:
        return await ports.chips(request.query_params.get("measure") == "true")

    async def stop(_request: Request) -> Stopping:
        ports.stop()
        return Stopping(os.getpid())

    async def reload(_request: Request) -> Reloaded:
        return ports.reload()

    return [
        route("GET", "/admin/status", status),
        route("POST", "/admin/reload", reload),
        route("GET", "/admin/chips", chips),
        route("POST", "/admin/stop", stop),
    ]
