"""Pull the plug, for administrators: what to take away from whom, and the drills there were."""

from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from secondbasket.core.data_class import DataClass
from secondbasket.core.drill import DrillPlan
from secondbasket.errors import BasketError, InvalidRequest
from secondbasket.maas.drills.cuttable import choices_of, cuts_that_sever
from secondbasket.maas.sessions import Session
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.security import form_text, form_texts

_RECENT = 20


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """The form as it was filled in, to be shown again where it is refused."""

    cuts: tuple[str, ...] = ()
    basket: str = ""
    seconds: str = "20"
    rate: str = "2"
    target: str = "100"
    data_class: str = DataClass.PUBLIC.label
    live: bool = False
    sure: bool = False


def plug_routes(desk: Desk) -> list[BaseRoute]:
    ports = desk.ports
    drills = ports.drills

    async def form(
        request: Request, session: Session, order: Order, error: BasketError | None = None
    ) -> Response:
        return desk.page(
            request,
            "plug.html",
            session=session,
            status=error.status if error else HTTPStatus.OK,
            error=error,
            order=order,
            baskets=[
                (
                    basket.name,
                    [(each.facts, cuts_that_sever(each.facts)) for each in basket.upstreams],
                )
                for basket in ports.baskets
                if basket.upstreams
            ],
            choices=choices_of(ports.baskets),
            classes=[each.label for each in DataClass],
            running=drills.running,
            rows=await drills.rows(limit=_RECENT),
        )

    async def plug(request: Request) -> Response:
        session = await desk.administrator(request)
        if request.method != "POST":
            basket = request.query_params.get("basket", "")
            return await form(request, session, Order(basket=basket))
        order = await _read(request)
        try:
            running = drills.start(_plan(order))
        except BasketError as error:
            return await form(request, session, order, error)
        watch = f"{request.scope['root_path']}/plug/{running.id}"
        return RedirectResponse(watch, HTTPStatus.SEE_OTHER)

    return [Route("/plug", plug, methods=["GET", "POST"])]


async def _read(request: Request) -> Order:
    return Order(
        cuts=await form_texts(request, "cut"),
        basket=await form_text(request, "basket"),
        seconds=await form_text(request, "seconds"),
        rate=await form_text(request, "rate"),
        target=await form_text(request, "target"),
        data_class=await form_text(request, "data_class"),
        live=await form_text(request, "traffic") == "live",
        sure=await form_text(request, "sure") == "yes",
    )


def _plan(order: Order) -> DrillPlan:
    """Raises InvalidRequest where the form makes no plan."""
    if order.live and not order.sure:
        raise InvalidRequest(
            "A live drill takes it away from everybody, and kills engines.",
            hint="Tick that you want this, or drill on canary traffic.",
            param="sure",
        )
    if not order.cuts:
        raise InvalidRequest("Choose what to take away.", param="cut")
    return DrillPlan(
        cuts=order.cuts,
        basket=order.basket,
        seconds=_number(order.seconds, "Seconds"),
        rate=_number(order.rate, "Requests a second"),
        target=_number(order.target, "The target"),
        live=order.live,
        data_class=order.data_class,
    )


def _number(text: str, name: str) -> float:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError as exc:
        raise InvalidRequest(f"{name}: '{text[:40]}' is not a number.") from exc
