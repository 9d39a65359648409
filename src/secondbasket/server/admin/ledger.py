"""Signing the ledger: its newest head, and the keys that sign."""

from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.ledger.key_history import Announcement
from secondbasket.ledger.signing import PublicKey
from secondbasket.server.admin.door import read, route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.words import LedgerKey, LedgerKeys, Rotate, SignedHead


def ledger_routes(ports: AdminPorts) -> list[BaseRoute]:
    notary = ports.notary

    async def head(request: Request) -> SignedHead:
        document = await notary.make()
        push = request.query_params.get("push") == "true"
        return SignedHead(document, await ports.push_heads() if push else ())

    async def keys(_request: Request) -> LedgerKeys:
        return await _keys()

    async def rotate(request: Request) -> LedgerKeys:
        order = await read(request, Rotate)
        await notary.rotate(lost=order.lost)
        return await _keys()

    async def _keys() -> LedgerKeys:
        announced = await notary.keys()
        current = await notary.current()
        known = {each.key.id: each.key for each in announced}
        found = [_told(each, known.get(each.after)) for each in announced]
        if current.id not in known:
            found.append(LedgerKey(key=current.id, public_key=current.pem))
        return LedgerKeys(current=current.id, file=str(notary.key.file), keys=tuple(found))

    return [
        route("POST", "/admin/ledger/head", head),
        route("GET", "/admin/ledger/keys", keys),
        route("POST", "/admin/ledger/keys", rotate),
    ]


def _told(each: Announcement, before: PublicKey | None) -> LedgerKey:
    return LedgerKey(
        key=each.key.id,
        entry=each.sequence,
        at=each.at,
        after=each.after,
        signed=before is not None and each.signed_by(before),
        public_key=each.key.pem,
    )
