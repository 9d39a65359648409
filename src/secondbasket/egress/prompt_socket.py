"""Sockets that dial as soon as they are made, and tell of a refusal at once.

Where the other end is on this machine, its answer to a dial is here when the
system call returns. An event loop looks at it only after everything else that
is due (and uvloop first looks up even an address in numbers, on a thread): when
an upstream dies under load, dozens of calls dial it before the first one hears
that nobody is there.
"""

import errno
import os
import select
import socket
from typing import Any

from aiohttp import AddrInfoType


class PromptSocket(socket.socket):
    """Never blocks. Whoever dials it once more is told how the first dial stands."""

    def __init__(self, address: AddrInfoType) -> None:
        """Raises OSError, ConnectionRefusedError where that is known by now."""
        family, kind, protocol, _, place = address
        super().__init__(family, kind, protocol)
        self._outcome = errno.EINPROGRESS
        try:
            self.setblocking(False)
            self._outcome = self.connect_ex(place)
            if self._outcome == errno.EINPROGRESS and _is_known(self):
                self._outcome = self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if self._outcome not in (0, errno.EINPROGRESS):
                raise OSError(self._outcome, os.strerror(self._outcome))
        except OSError:
            self.close()
            raise

    def connect(self, address: Any) -> None:  # noqa: ARG002 - the base class's signature
        """As the base class, for a socket that is dialling already."""
        if self._outcome:
            raise BlockingIOError(self._outcome, os.strerror(self._outcome))


def _is_known(dialling: socket.socket) -> bool:
    look = select.poll()
    look.register(dialling.fileno(), select.POLLOUT)
    return bool(look.poll(0))
