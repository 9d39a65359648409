"""Nothing outside egress/ opens a connection, read from the source of every module."""

import ast
from pathlib import Path

import pytest

import secondbasket

ROOT = Path(secondbasket.__file__).parent
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))

CLIENT_LIBRARIES = frozenset(
    """
    ftplib grpc http.client httpcore httpcore2 httpx httpx2 imaplib nntplib paramiko poplib
    requests smtplib telnetlib urllib.request urllib3 websockets xmlrpc.client
    """.split()
)
DIALLING = frozenset(
    """
    BaseConnector ClientSession HTTPConnection HTTPSConnection TCPConnector UnixConnector
    connect_tcp connect_unix create_connection create_datagram_endpoint create_unix_connection
    getaddrinfo gethostbyname gethostbyaddr open_connection open_unix_connection
    sendto sock_connect socket socketpair urlopen urlretrieve
    """.split()
)

# What a module outside egress/ may still use, and why it opens no connection with it.
EXCEPTIONS = {
    "models/sources/hub.py": {"httpx2"},  # types of the client it is handed, and its errors
    "server/listen.py": {"socket"},  # makes listening sockets only
}


def uses(source: str) -> set[str]:
    """The client libraries that `source` imports and the dialling calls that it makes."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & CLIENT_LIBRARIES
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            found |= full & CLIENT_LIBRARIES
        elif isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            found |= {name} & DIALLING
    return found


@pytest.mark.parametrize(
    "module", [module for module in MODULES if not module.startswith("egress/")]
)
def test_a_module_opens_no_connection(module: str) -> None:
    found = uses((ROOT / module).read_text())
    assert found == EXCEPTIONS.get(module, set())


def test_the_exceptions_are_still_needed() -> None:
    assert set(EXCEPTIONS) <= set(MODULES)


@pytest.mark.parametrize(
    "source",
    [
        "import httpx",
        "from urllib import request",
        "from urllib.request import urlopen as fetch",
        "async def f():\n await asyncio.open_connection('a', 1)",
        "with aiohttp.ClientSession() as s: pass",
        "socket.socket().connect(('a', 1))",
    ],
)
def test_a_side_door_would_be_seen(source: str) -> None:
    assert uses(source)
