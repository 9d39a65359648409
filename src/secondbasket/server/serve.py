"""Running the doors: uvicorn on sockets that are already open, ended by us and not by it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import uvicorn
from starlette.types import ASGIApp

from secondbasket.server.heads import BoundedHeads


class _Server(uvicorn.Server):
    """Signals belong to the command, which has more than one server to end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listener:
    """One ASGI application on one listening socket."""

    def __init__(
        self,
        app: ASGIApp,
        listening: socket.socket,
        *,
        drain_seconds: float,
        certificate: Path | None = None,
        private_key: Path | None = None,
        trusted_proxies: tuple[str, ...] = (),
    ) -> None:
        self._socket = listening
        self._server = _Server(
            uvicorn.Config(
                app,
                loop="none",
                http=BoundedHeads,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=list(trusted_proxies),
                ssl_certfile=certificate,
                ssl_keyfile=private_key,
                timeout_graceful_shutdown=max(1, round(drain_seconds)),
            )
        )

    async def run(self) -> None:
        """Serve until `stop`, then let running calls finish within the drain time."""
        with anyio.CancelScope(shield=True):
            await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        self._server.should_exit = True
