"""What every page handler stands on: who is signed in, and how a page is rendered."""

import logging
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from secondbasket.core.ids import new_id
from secondbasket.core.money import format_nano
from secondbasket.core.story import story
from secondbasket.errors import AuthenticationFailed, BasketError, PermissionDenied
from secondbasket.maas.sessions import Session
from secondbasket.server.console import words
from secondbasket.server.console.ports import ConsolePorts
from secondbasket.server.console.security import MOST_FIELDS, SESSION_COOKIE, require_token

_log = logging.getLogger(__name__)

NDJSON = "application/x-ndjson"

_TEMPLATES = Path(__file__).parent / "templates"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        size=words.size,
        short_digest=words.short_digest,
        origin=words.origin,
        count=words.count,
        parameters=words.parameters,
        duration=words.duration,
        moment=words.moment,
        minutes=words.minutes,
        plainly=words.plainly,
        fit=words.fit,
        outcome=words.outcome,
        tokens=words.tokens,
        routing=words.routing,
        continuation=words.continuation,
        percent=words.percent,
        sentence=words.sentence,
        story=story,
        receipt_rows=words.receipt_rows,
        money=format_nano,
    )
    return environment


class Desk:
    def __init__(self, ports: ConsolePorts) -> None:
        self.ports = ports
        self._templates = _environment()

    async def signed_in(self, request: Request, *, files: int = 0) -> Session:
        """The session of this request, whose form may bring so many `files`.

        Raises AuthenticationFailed, and PermissionDenied where a request that changes
        something lacks the session's CSRF token.
        """
        secret = request.cookies.get(SESSION_COOKIE, "")
        session = await self.ports.sessions.find(secret) if secret else None
        if session is None:
            raise AuthenticationFailed(
                "You are not signed in, or your session has ended.", hint="Sign in with a key."
            )
        if files and request.method == "POST":
            await request.form(max_fields=MOST_FIELDS, max_files=files)
        await require_token(request, session.csrf_token)
        return session

    async def administrator(self, request: Request) -> Session:
        session = await self.signed_in(request)
        if session.key.role != "admin":
            raise PermissionDenied(
                "This page is for administrators.",
                hint="Sign in with a key of role admin: basket key create --role admin --name NAME",
            )
        return session

    def page(
        self,
        request: Request,
        template: str,
        *,
        session: Session | None = None,
        status: int = 200,
        **context: Any,
    ) -> Response:
        html = self._templates.get_template(template).render(
            base=request.scope["root_path"], session=session, **context
        )
        return HTMLResponse(html, status)

    @staticmethod
    def whole_or_part(request: Request, name: str) -> str:
        """The template to show: htmx asks again for the list alone, to keep it fresh."""
        return f"{name}_list.html" if "hx-request" in request.headers else f"{name}.html"

    def refusal(self, request: Request, exc: Exception) -> Response:
        """An error in the form the asker reads: a line of NDJSON, a redirect, or a page."""
        assert isinstance(exc, BasketError)
        if NDJSON in request.headers.get("accept", ""):
            body = msgspec.json.encode({"error": told(exc)}) + b"\n"
            return Response(body, exc.status, media_type=NDJSON)
        if isinstance(exc, AuthenticationFailed):
            login = f"{request.scope['root_path']}/login"
            if "hx-request" in request.headers:
                return Response(status_code=exc.status, headers={"HX-Redirect": login})
            return RedirectResponse(login, HTTPStatus.SEE_OTHER)
        return self.page(request, "error.html", status=exc.status, error=exc)

    def unexpected(self, request: Request, exc: Exception) -> Response:
        """The edge of a page: a number for the reader, the rest for the log."""
        reference = new_id("err")
        _log.error("unexpected error %s", reference, exc_info=exc)
        return self.refusal(
            request,
            BasketError(
                f"Something went wrong here; the log knows it as {reference}.",
                hint="Try again; if it stays, tell your operator this number.",
            ),
        )


def told(error: BasketError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}
