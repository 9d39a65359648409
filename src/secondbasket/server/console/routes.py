"""The console's pages behind their protections, as one mountable list of routes."""

from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from secondbasket.errors import BasketError, InvalidRequest, NotFound
from secondbasket.server.console.baskets import basket_routes
from secondbasket.server.console.chat import chat_routes
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.drill_pages import drill_routes
from secondbasket.server.console.keys import key_routes
from secondbasket.server.console.login import login_routes
from secondbasket.server.console.machine import machine_routes
from secondbasket.server.console.memory import memory_routes
from secondbasket.server.console.plug import plug_routes
from secondbasket.server.console.ports import ConsolePorts
from secondbasket.server.console.report import report_routes
from secondbasket.server.console.security import LimitedBody, SameOrigin, SecurityHeaders
from secondbasket.server.console.task_acts import task_act_routes
from secondbasket.server.console.task_page import task_page_routes
from secondbasket.server.console.tasks import task_routes
from secondbasket.server.console.usage import usage_routes
from secondbasket.server.console.workers import worker_routes

_STATIC = Path(__file__).parent / "static"


class _Static(StaticFiles):
    """Static files that the browser asks about again each time: they change with an upgrade."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


def console_routes(ports: ConsolePorts) -> list[BaseRoute]:
    """Every page of the console, to be mounted under one path."""
    desk = Desk(ports)

    async def home(request: Request) -> Response:
        return RedirectResponse(f"{request.scope['root_path']}/chat", HTTPStatus.SEE_OTHER)

    def http_error(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        response = desk.refusal(request, _as_basket_error(exc))
        response.headers.update(exc.headers or {})
        return response

    return [
        Mount(
            "/",
            routes=[
                Route("/", home),
                *login_routes(desk),
                *chat_routes(desk),
                *task_routes(desk),
                *task_page_routes(desk),
                *task_act_routes(desk),
                *worker_routes(desk),
                *memory_routes(desk),
                *report_routes(desk),
                *basket_routes(desk),
                *machine_routes(desk),
                *usage_routes(desk),
                *plug_routes(desk),
                *drill_routes(desk),
                *key_routes(desk),
                Mount("/static", _Static(directory=_STATIC)),
            ],
            middleware=[
                Middleware(SecurityHeaders),
                Middleware(
                    ExceptionMiddleware,
                    handlers={
                        BasketError: desk.refusal,
                        HTTPException: http_error,
                        Exception: desk.unexpected,
                    },
                ),
                Middleware(SameOrigin),
                Middleware(LimitedBody, most=ports.max_body_bytes),
            ],
        )
    ]


def _as_basket_error(exc: HTTPException) -> BasketError:
    if exc.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("There is no such page.", hint="Start again from the console's menu.")
    return InvalidRequest(exc.detail, hint="Start again from the console's menu.")
