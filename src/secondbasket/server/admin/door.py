"""What every route of this door does: read its question, answer with JSON, tell errors apart."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from secondbasket.core.clock import parse
from secondbasket.core.ids import new_id
from secondbasket.errors import BasketError, InvalidRequest
from secondbasket.server.admin.words import Failed, Failure, failure

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[object]]

log = logging.getLogger(__name__)


def route(method: str, path: str, handler: Handler) -> Route:
    """`handler` returns the Struct to answer with, or a Response of its own."""

    async def endpoint(request: Request) -> Response:
        try:
            answer = await handler(request)
        except BasketError as error:
            return _json(Failed(failure(error)), error.status)
        except Exception:
            reference = new_id("err")
            log.exception("unexpected error %s", reference)
            return _json(Failed(unexpected(reference)), BasketError.status)
        return answer if isinstance(answer, Response) else _json(answer)

    return Route(path, endpoint, methods=[method])


def unexpected(reference: str) -> Failure:
    """What the caller is told of an error nobody foresaw; the log has the rest."""
    return failure(
        BasketError(f"Something went wrong here; the server's log knows it as {reference}.")
    )


async def read(request: Request, kind: type[T]) -> T:
    """The request's body as `kind`. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.MsgspecError as exc:
        raise InvalidRequest(f"The request's body is wrong: {exc}.") from exc


def moment(request: Request, name: str) -> datetime | None:
    """The RFC 3339 moment in the query, None where it is absent. Raises InvalidRequest."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as exc:
        raise InvalidRequest(
            f"'{name}' is {text[:40]!r}, not a moment such as 2026-11-22T14:00:00Z.", param=name
        ) from exc


def _json(answer: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")
