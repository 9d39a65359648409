"""Connections that a cut can sever: reset where one runs, refused where one is asked for."""

import asyncio
import errno
import os
import select
import socket
import struct
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.cuts import Cuts

# struct linger: on, and no time at all. Closing then sends a reset in place of a farewell.
_NO_FAREWELL = struct.pack("ii", 1, 0)
# Elsewhere than on Linux a farewell shows as POLLHUP, which every poll asks for.
_FAREWELL = getattr(select, "POLLRDHUP", 0)


class SeverableConnector(aiohttp.TCPConnector):
    """Dials as aiohttp does, with its `options`, as long as the way to `facts` is not cut.

    A connection that was kept, and that the other end has closed since, is not used again.
    """

    def __init__(self, cuts: Cuts, facts: UpstreamFacts, **options: Any) -> None:
        super().__init__(**options)
        self._cuts = cuts
        self._facts = facts
        self._used: WeakSet[asyncio.BaseProtocol] = WeakSet()

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """As the base class; kept-alive connections go through here too."""
        self._require_open(req)
        connection = await super().connect(req, traces, timeout)
        while self._is_kept(connection) and _is_over(connection):
            connection.close()
            connection = await super().connect(req, traces, timeout)
        try:
            self._require_open(req)  # it may have been cut while we dialled
        except aiohttp.ClientConnectorError:
            connection.close()
            raise
        connection.add_callback(self._cuts.hold(self._facts, lambda: _reset(connection)))
        return connection

    def _is_kept(self, connection: Connection) -> bool:
        """Was it used before? A new one that is closed at once must not be dialled for ever."""
        protocol = connection.protocol
        if protocol in self._used or protocol is None:
            return True
        self._used.add(protocol)
        return False

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


def _is_over(connection: Connection) -> bool:
    """Has the other end closed it? Told by the system, before the event loop hears of it."""
    transport = connection.transport
    if transport is None:
        return True
    look = select.poll()
    look.register(transport.get_extra_info("socket").fileno(), _FAREWELL)
    return bool(look.poll(0))
