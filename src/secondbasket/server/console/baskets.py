"""The baskets page: behind each public model name who may answer, how they do, what they share."""

from collections.abc import Sequence

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from secondbasket.core.standing import Standing
from secondbasket.maas.baskets import Basket
from secondbasket.maas.independence import SharedDomain, Unknown
from secondbasket.server.console.desk import Desk


class BasketView(msgspec.Struct, frozen=True, kw_only=True):
    """One card: the upstreams in the order of the settings, and what lint found of them."""

    basket: Basket
    upstreams: Sequence[Standing]
    shared: Sequence[SharedDomain]
    unknown: Sequence[Unknown]

    @property
    def able(self) -> int:
        """How many could answer at this moment."""
        return sum(each.state in ("ready", "outlier") for each in self.upstreams)


def basket_routes(desk: Desk) -> list[BaseRoute]:
    ports = desk.ports

    async def baskets(request: Request) -> Response:
        session = await desk.signed_in(request)
        # In a thread: the first look reads the list of public suffixes.
        findings = await anyio.to_thread.run_sync(ports.findings)
        views = [
            BasketView(
                basket=basket,
                upstreams=ports.standings(basket),
                shared=[each for each in findings.shared if each.basket == basket.name],
                unknown=[each for each in findings.unknown if each.basket == basket.name],
            )
            for basket in ports.baskets
        ]
        return desk.page(
            request, desk.whole_or_part(request, "baskets"), session=session, baskets=views
        )

    return [Route("/baskets", baskets)]
