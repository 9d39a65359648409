"""Listening sockets: opened before anything else is started, so that a taken port costs nothing."""

import errno
import os
import socket
from pathlib import Path

from secondbasket.errors import PortInUse, SettingsError

_BACKLOG = 2048


def listen_tcp(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises PortInUse, SettingsError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"Port {port} on {host} is in use by another program.",
                hint="Stop it, or choose another: `basket up --port N`.",
            ) from exc
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {exc.strerror or exc}.",
            hint="Set server.host to an address of this machine, and a port above 1023.",
        ) from exc
    listener.setblocking(False)
    return listener


def listen_unix(path: Path) -> socket.socket:
    """A listening Unix socket only its owner can open (mode 0600 from its first moment)."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as exc:
        listener.close()
        raise SettingsError(
            f"Cannot make the admin socket {path}: {exc.strerror or exc}.",
            hint="A Unix socket's path may have about 100 characters: choose a shorter home.",
        ) from exc
    finally:
        os.umask(previous)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener
