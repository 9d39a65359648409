"""Health, readiness and metrics: for load balancers and monitoring, which hold no key."""

from collections.abc import Callable

import msgspec
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from secondbasket.errors import BasketError
from secondbasket.server.asgi import JSON, bearer, reply
from secondbasket.wires.openai.errors import encode_error

_PROMETHEUS = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Alive:
    """GET /healthz: this process answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, 200, b'{"status":"alive"}')


class Ready:
    """GET /readyz: 200 once the default model can answer, 503 with the reason until then."""

    def __init__(self, waiting_for: Callable[[], str | None]) -> None:
        self._waiting_for = waiting_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._waiting_for()
        if reason is None:
            await reply(send, 200, b'{"status":"ready"}')
        else:
            body = msgspec.json.encode({"status": "not ready", "reason": reason})
            await reply(send, 503, body, [JSON, (b"retry-after", b"1")])


class Exposition:
    """GET /metrics. `verify` is None where only this machine can ask; else any key will do."""

    def __init__(
        self, exposition: Callable[[], bytes], verify: Callable[[str], object] | None
    ) -> None:
        self._exposition = exposition
        self._verify = verify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._verify is not None:
            try:
                self._verify(bearer(scope) or "")
            except BasketError as error:
                await reply(send, error.status, encode_error(error))
                return
        await reply(send, 200, self._exposition(), [_PROMETHEUS])


def health_routes(
    *,
    waiting_for: Callable[[], str | None],
    exposition: Callable[[], bytes],
    verify: Callable[[str], object] | None,
) -> list[BaseRoute]:
    return [
        Route("/healthz", Alive(), methods=["GET", "HEAD"]),
        Route("/readyz", Ready(waiting_for), methods=["GET", "HEAD"]),
        Route("/metrics", Exposition(exposition, verify), methods=["GET"]),
    ]
