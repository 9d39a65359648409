"""Which `Host` may be asked for: the guard against DNS rebinding and forged hosts."""

import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from secondbasket.errors import InvalidRequest
from secondbasket.server.asgi import reply
from secondbasket.wires.openai.errors import encode_error

# A host name, an IPv4 or a bracketed IPv6 address, and a port: no '/', '?', '#', '@' or space.
_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class AllowedHosts:
    """Refuses requests whose `Host` is missing, doubled, malformed or not of `names`."""

    def __init__(self, app: ASGIApp, *, names: Iterable[str]) -> None:
        self._app = app
        self._names = LOOPBACK_NAMES | {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = [value for key, value in scope["headers"] if key == b"host"]
        host = _HOST.fullmatch(given[0].decode("latin-1")) if len(given) == 1 else None
        if host is None or host["name"].lower() not in self._names:
            error = InvalidRequest(
                "This 'Host' is not served here.",
                hint="The operator lists the names of this server in server.allowed_hosts.",
            )
            await reply(send, error.status, encode_error(error))
            return
        await self._app(scope, receive, send)
