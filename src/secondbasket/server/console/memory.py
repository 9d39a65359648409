"""What workers remember, for administrators: find it, put it right, have it forgotten."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from secondbasket.apps.memory.memory import Memory, Receipt
from secondbasket.apps.memory.statement import KINDS, Correction, Kind
from secondbasket.core.data_class import DataClass
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.security import form_text

_MOST_SHOWN = 100
_MOST_FOUND = 20
_RECEIPTS = 100
_RECENT = 10
_FIELDS = ("text", "subject", "predicate", "object")


def memory_routes(desk: Desk) -> list[BaseRoute]:
    memories = desk.ports.memories

    async def browse(request: Request) -> Response:
        session = await desk.administrator(request)
        query = request.query_params
        asked = {name: query.get(name, "") for name in ("q", "kind", "source", "history")}
        receipts = await memories.receipts(limit=_RECEIPTS)
        return desk.page(
            request,
            "memory.html",
            session=session,
            asked=asked,
            kinds=KINDS,
            found=await _found(asked),
            hygiene=await memories.hygiene(),
            receipt=_named(receipts, query.get("receipt", "")),
            receipts=receipts[:_RECENT],
        )

    async def _found(asked: dict[str, str]) -> Sequence[Memory]:
        kinds: list[Kind] = [kind for kind in KINDS if kind == asked["kind"]]
        if asked["q"].strip():
            recalled = await memories.recall(
                asked["q"],
                worker=None,
                most_class=DataClass.SECRET,
                kinds=kinds,
                limit=_MOST_FOUND,
                count=False,  # a person who looks something up is no use of it
            )
            return [each.memory for each in recalled]
        return await memories.listing(
            kinds=kinds,
            source=asked["source"].strip() or None,
            history=asked["history"] == "yes",
            limit=_MOST_SHOWN,
        )

    async def show(request: Request) -> Response:
        session = await desk.administrator(request)
        first, *others = await memories.show(request.path_params["memory"])
        receipts = await memories.receipts(limit=_RECEIPTS)
        return desk.page(
            request,
            "memory_story.html",
            session=session,
            memory=first,
            others=others,
            receipt=_named(receipts, request.query_params.get("receipt", "")),
        )

    async def correct(request: Request) -> Response:
        session = await desk.administrator(request)
        given = {name: (await form_text(request, name)).strip() or None for name in _FIELDS}
        corrected = await memories.correct(
            request.path_params["memory"], Correction(by=f"person:{session.key.name}", **given)
        )
        return _to(request, f"/{corrected.memory.id}", corrected.receipt)

    async def forget(request: Request) -> Response:
        await desk.administrator(request)
        return _to(request, "", await memories.forget(request.path_params["memory"]))

    async def erase(request: Request) -> Response:
        await desk.administrator(request)
        return _to(request, "", await memories.erase(await form_text(request, "source")))

    return [
        Route("/memory", browse),
        Route("/memory/erase", erase, methods=["POST"]),
        Route("/memory/{memory}", show),
        Route("/memory/{memory}/correct", correct, methods=["POST"]),
        Route("/memory/{memory}/forget", forget, methods=["POST"]),
    ]


def _to(request: Request, place: str, receipt: Receipt) -> Response:
    url = f"{request.scope['root_path']}/memory{place}?receipt={receipt.id}"
    return RedirectResponse(url, HTTPStatus.SEE_OTHER)


def _named(receipts: Sequence[Receipt], wanted: str) -> Receipt | None:
    return next((each for each in receipts if each.id == wanted), None)
