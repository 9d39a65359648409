"""One task: its plan, everything it did, what it asks, and the files it made."""

from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from secondbasket.apps.tasks.board import Shown
from secondbasket.core.task import ENDED, Task
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.task_view import citations_of, entries_of, plan_of

_MINUTE_MS = 60_000
# What a worker wrote is handed out, and never shown as a page of ours.
_FILE_HEADERS = {"content-security-policy": "default-src 'none'; sandbox"}


def task_page_routes(desk: Desk) -> list[BaseRoute]:
    board = desk.ports.board

    async def show(request: Request) -> Response:
        session = await desk.signed_in(request)
        name = request.path_params["task"]
        part = "hx-request" in request.headers
        if part and request.query_params.get("seen") == mark(await board.find(session.key, name)):
            return Response(status_code=HTTPStatus.NO_CONTENT)
        shown = await board.show(session.key, name)
        names = {key.id: key.name for key in await desk.ports.keys.list()}
        return desk.page(
            request,
            "task_now.html" if part else "task.html",
            session=session,
            part=part,
            shown=shown,
            task=shown.task,
            mark=mark(shown.task),
            ended=shown.task.state in ENDED,
            worked=sum(each.duration_ms for each in shown.steps) / _MINUTE_MS,
            plan=plan_of(shown.task, shown.steps),
            entries=entries_of(shown.steps),
            citations=citations_of(shown.steps),
            names=names,
            off=await board.off(),
            **_asked(shown),
        )

    async def deliverable(request: Request) -> Response:
        session = await desk.signed_in(request)
        task, name = (request.path_params[each] for each in ("task", "name"))
        path = await board.deliverable(session.key, task, name)
        return FileResponse(
            path,
            media_type="application/octet-stream",
            filename=PurePosixPath(name).name,
            headers=_FILE_HEADERS,
        )

    return [
        Route("/tasks/{task}", show),
        Route("/tasks/{task}/files/{name:path}", deliverable),
    ]


def mark(task: Task) -> str:
    """Another one whenever there is something new to see of the task."""
    return f"{task.updated_at} {task.steps} {task.state} {task.accepted}"


def _asked(shown: Shown) -> dict[str, Any]:
    return {
        "open_approvals": [each for each in shown.approvals if each.state == "open"],
        "past_approvals": [each for each in shown.approvals if each.state != "open"],
        "uncertain": [each for each in shown.effects if each.state == "uncertain"],
    }
