"""The task board: what was handed over and how it stands, and a form to hand over more."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from secondbasket.core.data_class import DataClass
from secondbasket.core.task import Order, Task, TaskState
from secondbasket.errors import BasketError, InvalidRequest
from secondbasket.maas.sessions import Session
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.security import form_text
from secondbasket.server.task_states import STATES
from secondbasket.server.uploads import laid_out

MOST_FILES = 50
# In the order in which they concern whoever looks.
COLUMNS: Mapping[str, tuple[TaskState, ...]] = {
    "Waiting for you": ("waiting",),
    "Working": ("planning", "working"),
    "Queued": ("queued",),
    "Parked": ("parked",),
    "Done": ("done",),
    "Not done": ("failed", "cancelled"),
}
_MOST_SHOWN = 200


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The form as it was filled in, to be shown again where it is refused."""

    text: str = ""
    worker: str = ""
    deadline: str = ""
    priority: str = "0"
    data_class: str = DataClass.PUBLIC.label


def task_routes(desk: Desk) -> list[BaseRoute]:
    ports = desk.ports

    async def show(
        request: Request, session: Session, draft: Draft, error: BasketError | None = None
    ) -> Response:
        worker, state = (request.query_params.get(name, "") for name in ("worker", "state"))
        found = await ports.board.list(
            session.key,
            worker=worker,
            states=[each for each in STATES if each == state],
            limit=_MOST_SHOWN,
        )
        members = await ports.team.members(session.key, ())
        return desk.page(
            request,
            desk.whole_or_part(request, "tasks"),
            session=session,
            status=error.status if error else HTTPStatus.OK,
            columns=_columns(found),
            shown=len(found),
            most=_MOST_SHOWN,
            off=await ports.board.off(),
            workers=[each.listed.name for each in members if each.listed.worker],
            states=STATES,
            classes=[each.label for each in DataClass],
            asked={"worker": worker, "state": state},
            draft=draft,
            error=error,
        )

    async def tasks(request: Request) -> Response:
        try:
            session = await desk.signed_in(request, files=MOST_FILES)
            return await answer(request, session)
        finally:
            await request.close()  # and with it the files that were uploaded

    async def answer(request: Request, session: Session) -> Response:
        if request.method != "POST":
            worker = request.query_params.get("for", "")
            return await show(request, session, Draft(worker=worker))
        draft = await _read(request)
        try:
            async with laid_out(await _uploads(request)) as files:
                task = await ports.board.add(session.key, _order(draft), files)
        except BasketError as error:
            return await show(request, session, draft, error)
        url = f"{request.scope['root_path']}/tasks/{task.id}"
        return RedirectResponse(url, HTTPStatus.SEE_OTHER)

    return [Route("/tasks", tasks, methods=["GET", "POST"])]


def _columns(tasks: Sequence[Task]) -> list[tuple[str, list[Task]]]:
    return [
        (title, [task for task in tasks if task.state in states])
        for title, states in COLUMNS.items()
    ]


async def _read(request: Request) -> Draft:
    fields = {name: await form_text(request, name) for name in Draft.__struct_fields__}
    return Draft(**fields)


def _order(draft: Draft) -> Order:
    """Raises InvalidRequest where the form makes no order."""
    try:
        priority = int(draft.priority.strip() or "0")
    except ValueError as exc:
        raise InvalidRequest(
            f"'{draft.priority[:40]}' is no whole number.",
            hint="A higher priority goes first; 0 is the usual one.",
            param="priority",
        ) from exc
    # The field of a browser has minutes and no zone; beside it stands that it is UTC.
    deadline = draft.deadline.strip()
    return Order(
        text=draft.text,
        worker=draft.worker,
        priority=priority,
        deadline=f"{deadline}Z" if deadline and not deadline.endswith("Z") else deadline,
        data_class=draft.data_class or DataClass.PUBLIC.label,
    )


async def _uploads(request: Request) -> list[UploadFile]:
    form = await request.form()
    return [each for each in form.getlist("files") if isinstance(each, UploadFile)]
