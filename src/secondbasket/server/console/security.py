"""What protects the console's pages: headers on every response, origin and token on every POST."""

import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from secondbasket.errors import BodyTooLarge, PermissionDenied
from secondbasket.server.console import words

SESSION_COOKIE = "basket_session"
LOGIN_COOKIE = "basket_login"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"

MOST_FIELDS = 200
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # Not no-referrer: under it browsers send `Origin: null` with our own forms, and the
    # origin check below would have to let that pass. Other hosts are told nothing either way.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware: HEADERS and no caching on every response, unless a route says otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class SameOrigin:
    """ASGI middleware: a request that changes something must come from our own pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if request.method not in _SAFE_METHODS:
            ours = f"{request.url.scheme}://{request.headers.get('host', '')}"
            theirs = request.headers.get("origin", "none")
            if theirs != ours:
                raise PermissionDenied(
                    f"This request came from origin {theirs}; the console is {ours}.",
                    hint="Behind a proxy that ends TLS, name it in the setting "
                    "server.trusted_proxies. Otherwise another site tried to act in your name.",
                )
        await self._app(scope, receive, send)


class LimitedBody:
    """ASGI middleware: no request's body is read beyond `most` bytes."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = Request(scope).headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self._most:
            raise self._too_large()
        size = 0

        async def receive_within() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._most:
                raise self._too_large()
            return message

        await self._app(scope, receive_within, send)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"This is more than the {words.size(self._most)} the console takes at once.",
            hint="Send less at once, in a chat start a new one, or raise server.max_body_bytes.",
        )


async def require_token(request: Request, expected: str) -> None:
    """Does nothing for a request that only reads. Raises PermissionDenied."""
    if request.method in _SAFE_METHODS:
        return
    presented = request.headers.get(CSRF_HEADER)
    if presented is None:
        presented = await form_text(request, CSRF_FIELD)
    if not expected or not secrets.compare_digest(presented.encode(), expected.encode()):
        raise PermissionDenied(
            "The page you sent this from is out of date.",
            hint="Reload the page and try again.",
        )


async def form_text(request: Request, field: str) -> str:
    """One text field of the submitted form, '' where it is absent."""
    return next(iter(await form_texts(request, field)), "")


async def form_texts(request: Request, field: str) -> tuple[str, ...]:
    """Every text that the submitted form has for one field."""
    form = await request.form(max_fields=MOST_FIELDS, max_files=0)
    return tuple(value for value in form.getlist(field) if isinstance(value, str))


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """A cookie for the console alone, that scripts cannot read and other sites cannot send."""
    response.set_cookie(
        name,
        value,
        path=request.scope["root_path"] or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def delete_cookie(request: Request, response: Response, name: str) -> None:
    response.delete_cookie(name, path=request.scope["root_path"] or "/", samesite="strict")
