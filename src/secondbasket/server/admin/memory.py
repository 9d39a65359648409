"""Memory, as its people read and change it."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.apps.memory.memory import (
    Corrected,
    Hygiene,
    Memory,
    Recalled,
    Receipt,
    Remembered,
)
from secondbasket.apps.memory.statement import KINDS, Correction, Statement, class_of
from secondbasket.errors import InvalidRequest
from secondbasket.server.admin.door import read, route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.words import EraseOrder, RecallOrder

_MOST_ROWS = 1_000


def memory_routes(ports: AdminPorts) -> list[BaseRoute]:
    memories = ports.memories

    async def listing(request: Request) -> Sequence[Memory]:
        query = request.query_params
        kinds = [kind for kind in KINDS if kind in query.getlist("of")]
        return await memories.listing(
            worker=query.get("worker"),
            kinds=kinds,
            source=query.get("source"),
            history=query.get("history") == "true",
            limit=_limit(request, "100"),
        )

    async def show(request: Request) -> Sequence[Memory]:
        return await memories.show(request.path_params["memory_id"])

    async def add(request: Request) -> Remembered:
        return await memories.remember(await read(request, Statement))

    async def recall(request: Request) -> Sequence[Recalled]:
        order = await read(request, RecallOrder)
        return await memories.recall(
            order.query,
            worker=order.worker,
            most_class=class_of(order.most_class),
            at=order.at,
            limit=order.limit,
            count=False,  # a person who looks something up is no use of it
        )

    async def correct(request: Request) -> Corrected:
        correction = await read(request, Correction)
        return await memories.correct(request.path_params["memory_id"], correction)

    async def forget(request: Request) -> Receipt:
        return await memories.forget(request.path_params["memory_id"])

    async def erase(request: Request) -> Receipt:
        return await memories.erase((await read(request, EraseOrder)).source)

    async def erasures(request: Request) -> Sequence[Receipt]:
        return await memories.receipts(limit=_limit(request, "100"))

    async def hygiene(_request: Request) -> Hygiene:
        return await memories.hygiene()

    return [
        route("GET", "/admin/memories", listing),
        route("POST", "/admin/memories", add),
        route("POST", "/admin/memories/recall", recall),
        route("GET", "/admin/memories/{memory_id}", show),
        route("POST", "/admin/memories/{memory_id}/correct", correct),
        route("DELETE", "/admin/memories/{memory_id}", forget),
        route("POST", "/admin/memory-erasures", erase),
        route("GET", "/admin/memory-erasures", erasures),
        route("GET", "/admin/memory-hygiene", hygiene),
    ]


def _limit(request: Request, default: str) -> int:
    limit = request.query_params.get("limit", default)
    if not limit.isdecimal() or not 0 < int(limit) <= _MOST_ROWS:
        raise InvalidRequest(f"'limit' is a number from 1 to {_MOST_ROWS}.", param="limit")
    return int(limit)
