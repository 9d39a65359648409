"""Data sets: taken in, listed, checked, split, redacted, erased."""

from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.core.data_class import DataClass
from secondbasket.core.data_set import DataChecked, DataErased, DataRow, DataVersion
from secondbasket.errors import InvalidRequest
from secondbasket.server.admin.data_words import (
    CheckData,
    EraseData,
    ImportData,
    NamedData,
    RedactedData,
    SplitData,
)
from secondbasket.server.admin.door import read, route
from secondbasket.server.admin.ports import AdminPorts


def data_routes(ports: AdminPorts) -> list[BaseRoute]:
    async def take(request: Request) -> DataVersion:
        order = await read(request, ImportData)
        return await ports.data.take(
            Path(order.path), order.name, order.columns, _data_class(order.data_class)
        )

    async def listing(_request: Request) -> Sequence[DataVersion]:
        return await ports.data.versions()

    async def show(request: Request) -> DataVersion:
        return await ports.data.find((await read(request, NamedData)).name)

    async def rows(request: Request) -> Sequence[DataRow]:
        return await ports.data.rows((await read(request, NamedData)).name)

    async def verify(request: Request) -> DataVersion:
        return await ports.data.verify((await read(request, NamedData)).name)

    async def remove(request: Request) -> DataVersion:
        return await ports.data.remove((await read(request, NamedData)).name)

    async def split(request: Request) -> Sequence[DataVersion]:
        order = await read(request, SplitData)
        return await ports.data.split(
            order.name,
            share=order.share,
            seed=order.seed,
            group=order.group,
            time=order.time,
        )

    async def check(request: Request) -> DataChecked:
        order = await read(request, CheckData)
        return await ports.data.check(order.name, order.against)

    async def redact(request: Request) -> RedactedData:
        made, taken = await ports.data.redact((await read(request, NamedData)).name)
        return RedactedData(made=made, taken=taken)

    async def erase(request: Request) -> DataErased:
        order = await read(request, EraseData)
        return await ports.data.erase(subject=order.subject, source=order.source)

    return [
        route("GET", "/admin/data", listing),
        route("POST", "/admin/data", take),
        route("POST", "/admin/data/show", show),
        route("POST", "/admin/data/rows", rows),
        route("POST", "/admin/data/verify", verify),
        route("POST", "/admin/data/remove", remove),
        route("POST", "/admin/data/split", split),
        route("POST", "/admin/data/check", check),
        route("POST", "/admin/data/redact", redact),
        route("POST", "/admin/data/erase", erase),
    ]


def _data_class(label: str) -> DataClass:
    try:
        return DataClass.parse(label)
    except ValueError as exc:
        raise InvalidRequest(f"{exc}.", param="data_class") from exc
