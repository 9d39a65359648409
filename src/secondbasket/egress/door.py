"""The one outbound door: with its httpx twin, the only maker of sockets to other places.

Every connection is judged by the address that is really dialled. Names are
resolved by the gate, once; what was judged is what is dialled, so that the
second answer of a hostile resolver never counts (DNS rebinding). Where one
answer of several is forbidden, all are.

Behind a corporate proxy names are resolved by the proxy: the door then pins
and dials the proxy's address, and what a public name leads to is the proxy's
to judge. Addresses written in a URL are judged even then, and places inside
the house are dialled directly.

Not through this door, each by intent: database drivers, pip's child process,
and loopback to our own engines (`egress.loopback`).
"""

import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from anyio import to_thread
from yarl import URL

from secondbasket.core.decision import Decision
from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.cuts import Cuts
from secondbasket.egress.gate import Gate, Resolve, resolve_with_system
from secondbasket.egress.meter import Meter
from secondbasket.egress.prompt_socket import PromptSocket
from secondbasket.egress.severable import SeverableConnector
from secondbasket.errors import EgressRefused, SettingsError
from secondbasket.policy.destinations import (
    Destination,
    DestinationRules,
    checked_url,
    destination_of,
)

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NO_LIMIT_BUT_CONNECTING = aiohttp.ClientTimeout(total=None, sock_connect=10)


class Door:
    """Opens sessions to other places: by `rules`, through `proxy`, trusting `ca_bundle` too.

    `record` hears every new decision; it is called on the event loop and on
    worker threads, and must not block. `proxy` is an http(s) URL that may
    carry user and password, `ca_bundle` a PEM file of authorities to trust
    besides the system's. `offline` refuses everything. Raises SettingsError
    for a proxy or a CA bundle that cannot be used.
    """

    def __init__(
        self,
        rules: DestinationRules,
        record: Callable[[Decision], None],
        *,
        proxy: str | None = None,
        ca_bundle: Path | None = None,
        offline: bool = False,
        resolve: Resolve = resolve_with_system,
        cuts: Cuts | None = None,
    ) -> None:
        self.proxy = _read_proxy(proxy) if proxy else None
        self.tls = _trust(ca_bundle)
        self.gate = Gate(
            rules,
            record,
            proxy=destination_of(self.proxy) if self.proxy else None,
            offline=offline,
            resolve=resolve,
        )
        self.meter = Meter(record)
        self._cuts = cuts or Cuts()
        self._sessions: dict[_Purpose, aiohttp.ClientSession] = {}

    def session(
        self, purpose: str, *, base_url: str | None = None, facts: UpstreamFacts | None = None
    ) -> aiohttp.ClientSession:
        """The session for `purpose`, kept and closed by the door. Call it in an event loop.

        With `base_url` it reaches that origin only and a redirect is refused.
        Without, it reaches any public place; redirects are followed, each hop
        is judged anew, and credentials stay with their origin. No cookies, no
        variables of the environment, no time limit but the connection's.
        `facts` say whose law and whose vendor its bytes are counted under, and
        what a drill can cut it by. Its requests raise EgressRefused, a bad
        `base_url` does so at once.
        """
        asked = _Purpose(purpose, base_url, facts)
        session = self._sessions.get(asked)
        if session is None or session.closed:
            session = self._open(purpose, checked_url(base_url) if base_url else None, facts)
            self._sessions[asked] = session
        return session

    def follow(self, rules: DestinationRules) -> None:
        """Judge by `rules` from now on; connections that stand are left alone."""
        self.gate.rules = rules

    async def aclose(self) -> None:
        """Close every session, and tell the ledger what was counted."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()
        self.meter.tell()

    def _open(
        self, purpose: str, base: URL | None, facts: UpstreamFacts | None
    ) -> aiohttp.ClientSession:
        inside = base is not None and self.gate.is_inside(destination_of(base))
        proxy = None if inside else self.proxy
        options: dict[str, Any] = {
            "resolver": _PinningResolver(self.gate, purpose),
            "use_dns_cache": False,
            "ssl": self.tls,
            "limit": 0,
            "socket_factory": PromptSocket,
        }
        return aiohttp.ClientSession(
            base_url=base if base is None or base.path.endswith("/") else base / "",
            connector=(
                aiohttp.TCPConnector(**options)
                if facts is None
                else SeverableConnector(self._cuts, facts, **options)
            ),
            middlewares=[_Guard(self.gate, purpose, base)],
            response_class=_counted_by(self.meter, facts),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_LIMIT_BUT_CONNECTING,
            proxy=proxy,
            trust_env=False,
        )


class _Purpose(msgspec.Struct, frozen=True):
    """What one session is for: another purpose, place or upstream has another."""

    name: str
    base_url: str | None
    facts: UpstreamFacts | None


class _PinningResolver(AbstractResolver):
    """Gives the connector judged addresses only; it dials them as they are."""

    def __init__(self, gate: Gate, purpose: str) -> None:
        self._gate = gate
        self._purpose = purpose

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - aiohttp's signature
    ) -> list[ResolveResult]:
        found = await to_thread.run_sync(
            self._gate.addresses, self._purpose, Destination(host, port)
        )
        return [
            ResolveResult(
                hostname=host,
                host=text,
                port=port,
                family=socket.AF_INET if ip_address(text).version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for text in found
        ]

    async def close(self) -> None:
        return None


class _Guard:
    """Looks at every request and every redirect hop before the connector does.

    The connector asks no resolver about an address written in a URL; this is
    where such addresses are judged.
    """

    def __init__(self, gate: Gate, purpose: str, base: URL | None) -> None:
        self._gate = gate
        self._purpose = purpose
        self._base = base
        self._admitted = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        url, base = request.url, self._base
        destination = destination_of(url)
        if base is not None and url.origin() != base.origin():
            raise self._gate.refusal(self._purpose, destination, "other origin")
        if base is None or not self._admitted:
            self._gate.admit(self._purpose, destination)
            self._admitted = True
        response = await handler(request)
        if base is not None and response.status in _REDIRECTS:
            response.close()
            raise self._gate.refusal(self._purpose, destination, "redirect")
        return response


def _counted_by(meter: Meter, facts: UpstreamFacts | None) -> type[aiohttp.ClientResponse]:
    class CountedResponse(aiohttp.ClientResponse):
        """Adds up the request's bytes once a connection has them, and those of its own body.

        aiohttp makes it in the task that asks, when the request is on its way.
        """

        def __init__(self, method: str, url: URL, **more: Any) -> None:
            super().__init__(method, url, **more)
            self._counter = meter.counter(destination_of(url), facts)
            self._counter.add(sent=int(self.request_info.headers.get("Content-Length", 0)))
            self._counted = 0
            meter.watch(self)

        def release(self) -> object:
            self._last_count()
            return super().release()

        def close(self) -> None:
            self._last_count()
            super().close()

        def count(self) -> None:
            content: aiohttp.StreamReader | None = self.content  # None until headers are read
            if content is not None and content is not aiohttp.EMPTY_PAYLOAD:  # which cannot tell
                received = content.total_raw_bytes
                self._counter.add(received=received - self._counted)
                self._counted = received

        def _last_count(self) -> None:
            self.count()
            meter.forget(self)

    return CountedResponse


def _read_proxy(text: str) -> URL:
    """The proxy's URL, user and password included; only here may a URL carry them."""
    scheme, separator, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    credentials, _, place = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    try:
        url = checked_url(f"{scheme}{separator}{place}{slash}{path}")
    except EgressRefused as exc:
        raise SettingsError(
            "The proxy setting is not a URL that can be used.",
            hint="Write http://host:port or http://user:password@host:port.",
        ) from exc
    return url.with_user(unquote(user)).with_password(unquote(password)) if user else url


def _trust(ca_bundle: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_bundle is not None:
        try:
            context.load_verify_locations(ca_bundle)
        except (OSError, ssl.SSLError) as exc:
            raise SettingsError(
                f"The CA bundle {ca_bundle} cannot be used: {exc}.",
                hint="Point the setting at a readable PEM file of certificate authorities.",
            ) from exc
    return context
