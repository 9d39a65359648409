"""A stand-in vendor's door: chat on the OpenAI wire, for whoever has its one key."""

import hmac

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from secondbasket.core.clock import now
from secondbasket.core.key import Key
from secondbasket.core.receipt import Receipt
from secondbasket.errors import AuthenticationFailed
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.gateway import Gateway
from secondbasket.server.hosts import AllowedHosts
from secondbasket.server.openai.door import NotServed
from secondbasket.server.openai.generate import ChatCompletions
from secondbasket.server.openai.ports import OpenAIPorts


def stand_in_app(
    gateway: Gateway, *, key: str, currency: str, max_body_bytes: int, stall_seconds: float
) -> ASGIApp:
    """To be served on loopback; `key` is the secret that its one caller presents."""
    caller = Key(
        id="key_stand_in",
        name="stand-in",
        role="user",
        budget=None,
        currency=currency,
        created_at=now(),
    )

    def verify(presented: str) -> Key:
        if not hmac.compare_digest(presented.encode(), key.encode()):
            raise AuthenticationFailed("This stand-in does not know this key.")
        return caller

    async def no_receipt(_request_id: str) -> Receipt | None:
        return None

    ports = OpenAIPorts(
        verify=verify,
        gateway=gateway,
        baskets=Baskets(),
        receipt=no_receipt,
        refused=lambda _code: None,
        max_body_bytes=max_body_bytes,
        stall_seconds=stall_seconds,
    )
    routes = [Route("/v1/chat/completions", ChatCompletions(ports))]
    return AllowedHosts(Router(routes, default=NotServed()), names=[])
