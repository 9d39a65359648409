"""The keys page, for administrators: make a key, see what there is, revoke one."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import cast

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from secondbasket.core.clock import parse, timestamp
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key, Role
from secondbasket.core.money import nano_from_units
from secondbasket.errors import BasketError, InvalidRequest, PermissionDenied
from secondbasket.maas.sessions import Session
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.security import form_text

LIFETIMES = {"30": "30 days", "90": "90 days", "365": "1 year", "": "Never"}


def key_routes(desk: Desk) -> list[BaseRoute]:
    async def show(
        request: Request,
        session: Session,
        *,
        made: tuple[Key, str] | None = None,
        error: BasketError | None = None,
    ) -> Response:
        return desk.page(
            request,
            "keys.html",
            session=session,
            status=error.status if error else HTTPStatus.OK,
            keys=[(key, state(key)) for key in await desk.ports.keys.list()],
            lifetimes=LIFETIMES,
            classes=[each.label for each in DataClass],
            projects=sorted(desk.ports.keys.projects),
            currency=desk.ports.currency,
            made=made,
            error=error,
        )

    async def keys(request: Request) -> Response:
        session = await desk.administrator(request)
        if request.method != "POST":
            return await show(request, session)
        try:
            made = await desk.ports.keys.create(
                by=session.key,
                name=await form_text(request, "name"),
                role=cast(Role, await form_text(request, "role")),
                budget=_budget(await form_text(request, "budget")),
                expires_at=_expiry(await form_text(request, "lifetime")),
                data_class=await form_text(request, "data_class") or DataClass.PUBLIC.label,
                project=await form_text(request, "project") or None,
            )
        except (InvalidRequest, PermissionDenied) as error:
            return await show(request, session, error=error)
        return await show(request, session, made=made)

    async def revoke(request: Request) -> Response:
        session = await desk.administrator(request)
        await desk.ports.keys.revoke(request.path_params["key_id"], by=session.key)
        return RedirectResponse(f"{request.scope['root_path']}/keys", HTTPStatus.SEE_OTHER)

    return [
        Route("/keys", keys, methods=["GET", "POST"]),
        Route("/keys/{key_id}/revoke", revoke, methods=["POST"]),
    ]


def state(key: Key) -> str:
    """'active', 'revoked' or 'expired'."""
    if key.revoked_at:
        return "revoked"
    if key.expires_at and parse(key.expires_at) <= datetime.now(UTC):
        return "expired"
    return "active"


def _budget(text: str) -> int | None:
    """Currency units as a person writes them → nano-units; empty means no limit."""
    if not text.strip():
        return None
    try:
        return nano_from_units(text.strip().replace(",", "."))
    except ValueError as exc:
        raise InvalidRequest(
            f"'{text}' is not an amount of money.",
            hint="Write the budget as a number, for example 5.00, or leave it empty.",
            param="budget",
        ) from exc


def _expiry(text: str) -> str | None:
    if text not in LIFETIMES:
        raise InvalidRequest("Choose a lifetime from the list.", param="lifetime")
    if not text:
        return None
    return timestamp(datetime.now(UTC) + timedelta(days=int(text)))
