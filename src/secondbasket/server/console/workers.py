"""The team of workers, and the one switch that holds all of them."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from secondbasket.core.task import TaskState
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.security import form_text

_UNDER_WAY: tuple[TaskState, ...] = ("planning", "working", "waiting", "parked")
_MOST = 500


def worker_routes(desk: Desk) -> list[BaseRoute]:
    ports = desk.ports

    async def workers(request: Request) -> Response:
        session = await desk.signed_in(request)
        under_way = await ports.board.list(session.key, states=_UNDER_WAY, limit=_MOST)
        return desk.page(
            request,
            desk.whole_or_part(request, "workers"),
            session=session,
            members=await ports.team.members(session.key, under_way),
            off=await ports.board.off(),
            currency=ports.currency,
        )

    async def switch(request: Request) -> Response:
        session = await desk.signed_in(request)
        await ports.board.switch(session.key, off=await form_text(request, "off") == "yes")
        return RedirectResponse(f"{request.scope['root_path']}/workers", HTTPStatus.SEE_OTHER)

    return [Route("/workers", workers), Route("/workers/switch", switch, methods=["POST"])]
