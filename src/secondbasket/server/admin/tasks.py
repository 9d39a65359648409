"""Tasks, as the owner of this machine sees them: all of them."""

from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.core.task import Task
from secondbasket.core.worker import MoreLimits
from secondbasket.errors import InvalidRequest
from secondbasket.server.admin.door import read, route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.words import Judgement, Rework, TaskOrder, TaskShown
from secondbasket.server.task_states import states_of

_MOST_ROWS = 10_000
_LONGEST_WAIT = 24 * 3600.0


def task_routes(ports: AdminPorts) -> list[BaseRoute]:
    board, key_of = ports.board, ports.owner

    async def add(request: Request) -> Task:
        given = await read(request, TaskOrder)
        files = {name: Path(path) for name, path in given.files.items()}
        return await board.add(await key_of(), given.order, files)

    async def listing(request: Request) -> Sequence[Task]:
        states = states_of(request.query_params.getlist("state"))
        return await board.list(
            await key_of(),
            worker=request.query_params.get("worker", ""),
            states=states,
            limit=_limit(request),
        )

    async def show(request: Request) -> TaskShown:
        shown = await board.show(await key_of(), request.path_params["task"])
        return TaskShown(
            task=shown.task,
            steps=shown.steps,
            effects=shown.effects,
            approvals=shown.approvals,
            deliverables=shown.deliverables,
        )

    async def wait(request: Request) -> Task:
        seconds = request.query_params.get("seconds", "60")
        try:
            patience = min(float(seconds), _LONGEST_WAIT)
        except ValueError as exc:
            raise InvalidRequest(f"'{seconds[:40]}' is no number of seconds.") from exc
        return await board.wait(await key_of(), request.path_params["task"], patience)

    async def pause(request: Request) -> Task:
        return await board.pause(await key_of(), request.path_params["task"])

    async def resume(request: Request) -> Task:
        more = await read(request, MoreLimits) if await request.body() else None
        return await board.resume(await key_of(), request.path_params["task"], more=more)

    async def cancel(request: Request) -> Task:
        return await board.cancel(await key_of(), request.path_params["task"])

    async def judge(request: Request) -> Task:
        given = await read(request, Judgement)
        task = request.path_params["task"]
        return await board.accept(await key_of(), task, accepted=given.accepted)

    async def rework(request: Request) -> Task:
        given = await read(request, Rework)
        return await board.rework(await key_of(), request.path_params["task"], given.text)

    return [
        route("POST", "/admin/tasks", add),
        route("GET", "/admin/tasks", listing),
        route("GET", "/admin/tasks/{task}", show),
        route("GET", "/admin/tasks/{task}/wait", wait),
        route("POST", "/admin/tasks/{task}/pause", pause),
        route("POST", "/admin/tasks/{task}/resume", resume),
        route("POST", "/admin/tasks/{task}/cancel", cancel),
        route("POST", "/admin/tasks/{task}/judge", judge),
        route("POST", "/admin/tasks/{task}/rework", rework),
    ]


def _limit(request: Request) -> int:
    limit = request.query_params.get("limit", "100")
    if not limit.isdecimal() or not 0 < int(limit) <= _MOST_ROWS:
        raise InvalidRequest(f"'limit' is a number from 1 to {_MOST_ROWS}.", param="limit")
    return int(limit)
