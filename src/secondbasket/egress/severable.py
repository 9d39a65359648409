"""Connections that a cut can sever: reset where one runs, refused where one is asked for."""

import errno
import os
import socket
import struct
from typing import Any

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.cuts import Cuts

# struct linger: on, and no time at all. Closing then sends a reset in place of a farewell.
_NO_FAREWELL = struct.pack("ii", 1, 0)


class SeverableConnector(aiohttp.TCPConnector):
    """Dials as aiohttp does, with its `options`, as long as the way to `facts` is not cut."""

    def __init__(self, cuts: Cuts, facts: UpstreamFacts, **options: Any) -> None:
        super().__init__(**options)
        self._cuts = cuts
        self._facts = facts

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """As the base class; kept-alive connections go through here too."""
        self._require_open(req)
        connection = await super().connect(req, traces, timeout)
        try:
            self._require_open(req)  # it may have been cut while we dialled
        except aiohttp.ClientConnectorError:
            connection.close()
            raise
        connection.add_callback(self._cuts.hold(self._facts, lambda: _reset(connection)))
        return connection

    def _require_open(self, req: ClientRequest) -> None:
        if self._cuts.severed(self._facts):
            reset = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            raise aiohttp.ClientConnectorError(req.connection_key, reset)


def _reset(connection: Connection) -> None:
    transport = connection.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _NO_FAREWELL
        )
        transport.abort()
