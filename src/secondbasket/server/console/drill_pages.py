"""One drill, for administrators: live while it runs, its report and its papers afterwards."""

from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from secondbasket.core.drill import DrillReport
from secondbasket.errors import NotFound
from secondbasket.maas.drills.drills import Drills, Running
from secondbasket.maas.sessions import Session
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.moments import MomentStream

# The page of a report brings its own style and has nothing else: no script runs in it, and it is
# of an origin of its own.
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)


def drill_routes(desk: Desk) -> list[BaseRoute]:
    ports = desk.ports
    drills = ports.drills

    async def show(request: Request) -> Response:
        session = await desk.administrator(request)
        drill = request.path_params["drill"]
        if drills.running is not None and drills.running.id == drill:
            return watch(request, session, drills.running)
        try:
            document = await drills.show(drill)
        except NotFound:
            if not await _was_broken_off(drills, drill):
                raise
            return desk.page(request, "plug_broken_off.html", session=session)
        report = msgspec.convert(document, DrillReport)
        return desk.page(
            request, "plug_report.html", session=session, report=report, document=document
        )

    def watch(request: Request, session: Session, running: Running) -> Response:
        basket = ports.baskets.find(running.plan.basket)
        return desk.page(
            request,
            "plug_watch.html",
            session=session,
            running=running,
            upstreams=[each.facts.name for each in basket.upstreams],
        )

    async def moments(request: Request) -> Response:
        session = await desk.administrator(request)

        def may_see() -> bool:
            key = ports.keys.active(session.key.id)
            return key is not None and key.role == "admin"

        return MomentStream(
            drills.find(request.path_params["drill"]),
            may_see=may_see,
            stall_seconds=ports.stall_seconds,
        )

    async def stop(request: Request) -> Response:
        await desk.administrator(request)
        drills.find(request.path_params["drill"]).stop()
        return RedirectResponse(f"{request.scope['root_path']}/plug", HTTPStatus.SEE_OTHER)

    async def report(request: Request) -> Response:
        await desk.administrator(request)
        drill = request.path_params["drill"]
        text = msgspec.json.format(msgspec.json.encode(await drills.show(drill)), indent=2)
        name = {"content-disposition": f'attachment; filename="{drill}.json"'}
        return Response(text + b"\n", media_type="application/json", headers=name)

    async def page(request: Request) -> Response:
        await desk.administrator(request)
        html = await drills.page(request.path_params["drill"])
        return HTMLResponse(html, headers={"content-security-policy": _PAGE_POLICY})

    return [
        Route("/plug/{drill}", show),
        Route("/plug/{drill}/moments", moments),
        Route("/plug/{drill}/stop", stop, methods=["POST"]),
        Route("/plug/{drill}/report.json", report),
        Route("/plug/{drill}/page", page),
    ]


async def _was_broken_off(drills: Drills, drill: str) -> bool:
    return any(row.drill == drill and row.outcome == "broken_off" for row in await drills.rows())
