"""Documents: what was read, reading more, searching, erasing."""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from secondbasket.core.data_class import DataClass
from secondbasket.core.document import Answer, Collection, Document, Erased, FileRead
from secondbasket.errors import InvalidRequest
from secondbasket.server.admin.door import read, route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.progress import Steps
from secondbasket.server.admin.words import AddDocuments, EraseDocuments, SearchDocuments, Step


def document_routes(ports: AdminPorts) -> list[BaseRoute]:
    async def add(request: Request) -> Response:
        order = await read(request, AddDocuments)
        data_class = _data_class(order.data_class)

        async def work(tell: Callable[[FileRead], None]) -> Step:
            ingested = await ports.documents.add(
                order.paths, tell, collection=order.collection, data_class=data_class
            )
            return Step(ingested=ingested)

        return Steps(work, step=lambda told: Step(read=told))

    async def collections(_request: Request) -> Sequence[Collection]:
        return await ports.documents.collections()

    async def listing(request: Request) -> Sequence[Document]:
        return await ports.documents.documents(request.query_params.get("collection"))

    async def search(request: Request) -> Answer:
        order = await read(request, SearchDocuments)
        return await ports.documents.search.search(
            order.question, collections=order.collections, limit=order.limit
        )

    async def erase(request: Request) -> Erased:
        order = await read(request, EraseDocuments)
        return await ports.documents.remove(order.wanted, collection=order.collection)

    return [
        route("GET", "/admin/collections", collections),
        route("GET", "/admin/documents", listing),
        route("POST", "/admin/documents", add),
        route("POST", "/admin/documents/search", search),
        route("POST", "/admin/documents/erase", erase),
    ]


def _data_class(label: str | None) -> DataClass | None:
    try:
        return None if label is None else DataClass.parse(label)
    except ValueError as exc:
        raise InvalidRequest(f"{exc}.", param="data_class") from exc
