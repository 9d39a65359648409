"""Workers: who there is, what they ask people, and the one switch."""

from collections.abc import Sequence

import anyio
from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.apps.workers.roster import Listed
from secondbasket.apps.workers.worker_file import BadWorker, read_worker
from secondbasket.core.clock import timestamp
from secondbasket.core.report import MorningReport
from secondbasket.core.task import Approval, Effect
from secondbasket.server.admin.door import moment, read, route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.words import Answer, Settlement, Switch, WorkerChecked, WorkerText


def worker_routes(ports: AdminPorts) -> list[BaseRoute]:
    board, key_of = ports.board, ports.owner

    async def listing(_request: Request) -> Sequence[Listed]:
        return await anyio.to_thread.run_sync(ports.roster.all)

    async def check(request: Request) -> WorkerChecked:
        given = await read(request, WorkerText)
        try:
            worker = read_worker(
                given.name, given.text, tools=[facts.name for facts in ports.tools()]
            )
        except BadWorker as error:
            return WorkerChecked(findings=error.findings)
        return WorkerChecked(worker=worker)

    async def approvals(_request: Request) -> Sequence[Approval]:
        return await board.approvals(await key_of())

    async def answer(request: Request) -> Approval:
        given = await read(request, Answer)
        approval = request.path_params["approval"]
        return await board.answer(await key_of(), approval, yes=given.yes, note=given.note)

    async def settle(request: Request) -> Effect:
        given = await read(request, Settlement)
        effect = request.path_params["effect"]
        return await board.settle(await key_of(), effect, given.state, given.note)

    async def switch(request: Request) -> Switch:
        given = await read(request, Switch)
        await board.switch(await key_of(), off=given.off)
        return Switch(off=await board.off())

    async def morning(request: Request) -> MorningReport:
        since, until = (moment(request, name) for name in ("since", "until"))
        return await ports.reporter.morning(
            await key_of(),
            since="" if since is None else timestamp(since),
            until="" if until is None else timestamp(until),
        )

    return [
        route("GET", "/admin/reports/morning", morning),
        route("GET", "/admin/workers", listing),
        route("POST", "/admin/workers/check", check),
        route("GET", "/admin/approvals", approvals),
        route("POST", "/admin/approvals/{approval}", answer),
        route("POST", "/admin/effects/{effect}", settle),
        route("POST", "/admin/workers/switch", switch),
    ]
