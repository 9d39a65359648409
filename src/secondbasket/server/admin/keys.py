"""Keys, as their operator makes and ends them: whoever may open the socket owns the home."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.core.key import Key
from secondbasket.core.pepper import PepperFact
from secondbasket.server.admin.door import read, route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.words import KeyCreated, LocalKey, NewKey, RotatePepper


def key_routes(ports: AdminPorts) -> list[BaseRoute]:
    async def listing(_request: Request) -> tuple[Key, ...]:
        return await ports.keys.list()

    async def create(request: Request) -> KeyCreated:
        new = await read(request, NewKey)
        record, secret = await ports.keys.create(
            by=None,
            name=new.name,
            role=new.role,
            budget=new.budget,
            expires_at=new.expires_at,
            data_class=new.data_class,
            project=new.project,
        )
        return KeyCreated(id=record.id, key=secret, record=record)

    async def revoke(request: Request) -> Key:
        return await ports.keys.revoke(request.path_params["key_id"], by=None)

    async def local(_request: Request) -> LocalKey:
        return LocalKey(await ports.local_key())

    async def peppers(_request: Request) -> Sequence[PepperFact]:
        return await ports.pepper_care.facts()

    async def rotate(request: Request) -> Sequence[PepperFact]:
        order = await read(request, RotatePepper)
        return await ports.pepper_care.rotate(ports.keys, revoke_lost=order.revoke_lost)

    return [
        route("GET", "/admin/keys", listing),
        route("POST", "/admin/keys", create),
        route("DELETE", "/admin/keys/{key_id}", revoke),
        route("GET", "/admin/peppers", peppers),
        route("POST", "/admin/peppers", rotate),
        route("POST", "/admin/local-key", local),
    ]
