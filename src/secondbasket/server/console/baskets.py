"""The baskets page: behind each public model name who may answer, how they do, what they share."""

from collections.abc import Sequence

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from secondbasket.core.drill import DrillRow
from secondbasket.core.standing import Standing
from secondbasket.maas.baskets import Basket
from secondbasket.maas.independence import SharedDomain, Unknown
from secondbasket.maas.sessions import Session
from secondbasket.server.console.desk import Desk


class BasketView(msgspec.Struct, frozen=True, kw_only=True):
    """One card: the upstreams in the order of the settings, and what is known of them together.

    `drill` is the last one; None where there was none, or the reader is no administrator.
    """

    basket: Basket
    upstreams: Sequence[Standing]
    shared: Sequence[SharedDomain]
    unknown: Sequence[Unknown]
    drill: DrillRow | None

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
        drills = await _last_drills(session)
        views = [
            BasketView(
                basket=basket,
                upstreams=ports.standings(basket),
                shared=[each for each in findings.shared if each.basket == basket.name],
                unknown=[each for each in findings.unknown if each.basket == basket.name],
                drill=drills.get(basket.name),
            )
            for basket in ports.baskets
        ]
        return desk.page(
            request, desk.whole_or_part(request, "baskets"), session=session, baskets=views
        )

    async def _last_drills(session: Session) -> dict[str, DrillRow]:
        """Of each basket, for those who may read what came of it."""
        if session.key.role != "admin":
            return {}
        newest_first = await ports.drills.rows()
        return {row.basket: row for row in reversed(newest_first)}

    return [Route("/baskets", baskets)]
