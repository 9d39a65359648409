"""Baskets: what their upstreams share."""

import anyio
from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.maas.independence import Findings
from secondbasket.server.admin.door import route
from secondbasket.server.admin.ports import AdminPorts


def basket_routes(ports: AdminPorts) -> list[BaseRoute]:
    async def lint(request: Request) -> Findings:
        # In a thread: the first look reads the list of public suffixes.
        return await anyio.to_thread.run_sync(ports.findings, request.query_params.get("basket"))

    return [route("GET", "/admin/lint", lint)]
