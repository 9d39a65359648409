"""The road to our own engines: child processes that listen on loopback, and nothing else.

The door of this package decides about the outside world; this session cannot
reach it. Names are refused unresolved, and the last check is made on the very
address that is about to be dialled.
"""

import socket
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.cuts import Cuts
from secondbasket.egress.prompt_socket import PromptSocket
from secondbasket.egress.severable import SeverableConnector
from secondbasket.errors import EgressRefused

_UNBOUNDED = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)

# cpp-httplib, inside llama.cpp, closes an idle connection after 5 s: we let go first, so
# that a call is never written into a connection that is just being closed.
_KEEPALIVE_SECONDS = 4.0


class _NoNames(AbstractResolver):
    async def resolve(
        self,
        host: str,
        port: int = 0,  # noqa: ARG002 - aiohttp's signature
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - aiohttp's signature
    ) -> list[ResolveResult]:
        raise EgressRefused(
            f"An engine was addressed as '{host}', which is a name.",
            hint="Engines are addressed as 127.0.0.1 or ::1, so that no resolver has a say.",
        )

    async def close(self) -> None:
        return None


def _loopback_socket(address: AddrInfoType) -> socket.socket:
    place = address[4]
    if not ip_address(str(place[0])).is_loopback:
        raise EgressRefused(
            f"An engine was addressed at {place[0]}, which is not this machine.",
            hint="Engines listen on 127.0.0.1 or ::1; other machines are reached as upstreams.",
        )
    return PromptSocket(address)


def loopback_session(
    facts: UpstreamFacts | None = None, cuts: Cuts | None = None
) -> aiohttp.ClientSession:
    """A session that can dial literal loopback addresses only; the caller closes it.

    Kept-alive connections without a limit, TCP_NODELAY (which aiohttp sets on
    every connection), no cookies, no proxies, no redirects to elsewhere, no
    compression and no time limits: how long an answer may take is the
    caller's to say. Requests for any other place raise EgressRefused before a
    socket exists. Call it inside a running event loop.

    With both, it is the way to the upstream `facts`, which `cuts` can sever.
    """
    options: dict[str, Any] = {
        "resolver": _NoNames(),
        "use_dns_cache": False,
        "socket_factory": _loopback_socket,
        "limit": 0,
        "keepalive_timeout": _KEEPALIVE_SECONDS,
    }
    return aiohttp.ClientSession(
        connector=(
            aiohttp.TCPConnector(**options)
            if facts is None or cuts is None
            else SeverableConnector(cuts, facts, **options)
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_UNBOUNDED,
        skip_auto_headers=("Accept-Encoding", "User-Agent"),
        trust_env=False,
    )


class Loopback:
    """The ways to our own engines, one session for each upstream, all subject to `cuts`."""

    def __init__(self, cuts: Cuts) -> None:
        self._cuts = cuts
        self._sessions: dict[UpstreamFacts, aiohttp.ClientSession] = {}

    def session(self, facts: UpstreamFacts) -> aiohttp.ClientSession:
        """The session to the upstream `facts`, closed by `aclose`."""
        session = self._sessions.get(facts)
        if session is None:
            session = self._sessions[facts] = loopback_session(facts, self._cuts)
        return session

    async def aclose(self) -> None:
        """Close every session."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()
