"""The task board: what was handed over and how it stands, and a form to hand over more."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import get_args

import anyio
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
        known: tuple[TaskState, ...] = get_args(TaskState)
        found = await ports.board.list(
            session.key,
            worker=worker,
            states=[each for each in known if each == state],
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
            states=known,
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
            async with _uploaded(request) as files:
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


@asynccontextmanager
async def _uploaded(request: Request) -> AsyncIterator[Mapping[str, Path]]:
    """The files of the form, by the names they came with, in a folder that goes away again.

    Here they lie under names of ours: what theirs may be, the board says.
    """
    form = await request.form()
    given = [each for each in form.getlist("files") if isinstance(each, UploadFile)]
    with tempfile.TemporaryDirectory(prefix="basket-") as folder:
        files: dict[str, Path] = {}
        for number, upload in enumerate(given):
            if not upload.filename:  # the field was left empty
                continue
            if upload.filename in files:
                raise InvalidRequest(
                    f"Two of the files are called {upload.filename[:100]!r}.", param="files"
                )
            path = files[upload.filename] = Path(folder) / str(number)
            await anyio.to_thread.run_sync(_copy, upload, path)
        yield files


def _copy(upload: UploadFile, path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(upload.file, file)
