"""Signing in with a key and out again."""

import secrets
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from secondbasket.errors import AuthenticationFailed, BasketError
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.security import (
    LOGIN_COOKIE,
    SESSION_COOKIE,
    delete_cookie,
    form_text,
    require_token,
    set_cookie,
)


def login_routes(desk: Desk) -> list[BaseRoute]:
    def ask(request: Request, error: BasketError | None = None) -> Response:
        # Nobody is signed in yet, so the token of this form is held against a cookie instead.
        token = request.cookies.get(LOGIN_COOKIE) or secrets.token_urlsafe(32)
        status = error.status if error else HTTPStatus.OK
        page = desk.page(request, "login.html", status=status, token=token, error=error)
        set_cookie(request, page, LOGIN_COOKIE, token)
        return page

    async def login(request: Request) -> Response:
        if request.method != "POST":
            return ask(request)
        await require_token(request, request.cookies.get(LOGIN_COOKIE, ""))
        try:
            key = desk.ports.keys.verify((await form_text(request, "key")).strip())
        except AuthenticationFailed as error:
            return ask(request, error)
        secret, _ = await desk.ports.sessions.open(key)
        response = RedirectResponse(f"{request.scope['root_path']}/chat", HTTPStatus.SEE_OTHER)
        set_cookie(request, response, SESSION_COOKIE, secret)
        delete_cookie(request, response, LOGIN_COOKIE)
        return response

    async def logout(request: Request) -> Response:
        await desk.signed_in(request)
        await desk.ports.sessions.close(request.cookies[SESSION_COOKIE])
        response = RedirectResponse(f"{request.scope['root_path']}/login", HTTPStatus.SEE_OTHER)
        delete_cookie(request, response, SESSION_COOKIE)
        return response

    return [
        Route("/login", login, methods=["GET", "POST"]),
        Route("/logout", logout, methods=["POST"]),
    ]
