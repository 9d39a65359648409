"""Where a connection may lead: pure rules over parsed URLs and addresses.

A name tells nothing, so rules are about addresses: those a resolver gave, or
the one written in a URL. Everything that is not plainly the public internet
needs the operator's own configuration to name it. Sources: the IANA special
purpose address registries (RFC 6890), NAT64 (RFC 6052), 6to4 (RFC 3056).
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Literal

import msgspec
from yarl import URL

from secondbasket.errors import EgressRefused
from secondbasket.policy.verdict import Verdict

Address = IPv4Address | IPv6Address
AddressClass = Literal[
    "public", "loopback", "private", "link-local", "metadata", "multicast", "reserved"
]

# Where clouds hand credentials to whoever asks (AWS, Azure, Alibaba, Oracle). The classic
# 169.254.169.254 is link-local and needs no entry.
_METADATA = frozenset(
    ip_address(text)
    for text in ("fd00:ec2::254", "168.63.129.16", "100.100.100.200", "192.0.0.192")
)
_RESERVED_V4 = tuple(
    ip_network(text) for text in ("0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4")
)
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_GLOBAL_UNICAST = IPv6Network("2000::/3")

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.ASCII)


class Destination(msgspec.Struct, frozen=True):
    """Where a connection leads. `host` is lower case, an address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def checked_url(text: str) -> URL:
    """The one parser of URLs that people, files or servers hand us.

    What two parsers could read in two ways is refused instead of mended:
    characters outside RFC 3986 (backslashes, blanks, control and non-ASCII
    ones), user names in the authority, encoded host names, and numbers that
    only some resolvers take for an address (octal, hexadecimal, short forms).
    Raises EgressRefused.
    """
    if not _URL_CHARACTERS.fullmatch(text):
        raise _malformed(text, "it has characters that a URL may not have")
    try:
        url = URL(text)
        port = url.port
    except ValueError as exc:
        raise _malformed(text, "it cannot be parsed") from exc
    if url.scheme not in ("http", "https"):
        raise _malformed(text, "it is not http or https")
    authority = text.partition("://")[2]
    if "@" in re.split(r"[/?#]", authority, maxsplit=1)[0]:
        raise _malformed(text, "it has a user name in it; hand credentials over as a setting")
    if not port:
        raise _malformed(text, "it has no usable port")
    destination_of(url)
    return url


def destination_of(url: URL) -> Destination:
    """Host and port of a parsed http(s) URL. Raises EgressRefused for an ambiguous host."""
    host, port = url.raw_host, url.port
    if not host or not port:
        raise _malformed(str(url), "it names no host")
    return Destination(checked_host(host), port)


@lru_cache(maxsize=1024)
def checked_host(host: str) -> str:
    """`host` in lower case, if it is a plain name or a canonical address, or EgressRefused."""
    host = host.lower()
    if "%" not in host and literal_address(host) is not None:
        return host
    # A name whose last label is a number is an address to some resolvers (WHATWG URL, 3.5).
    last = host.rstrip(".").rpartition(".")[2]
    if not _NAME.fullmatch(host) or re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last):
        raise _malformed(host, "its host is neither a plain name nor a plain address")
    return host


def literal_address(host: str) -> Address | None:
    """The address that `host` writes out, or None where it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def address_class(address: Address) -> AddressClass:
    """What kind of place an address is; embedded IPv4 addresses are judged themselves."""
    if isinstance(address, IPv6Address):
        embedded = _embedded(address)
        if embedded is not None:
            return address_class(embedded)
    if address in _METADATA:
        return "metadata"
    if address.is_multicast:
        return "multicast"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if isinstance(address, IPv4Address):
        if any(address in network for network in _RESERVED_V4 if isinstance(network, IPv4Network)):
            return "reserved"
    elif address in _NAT64_LOCAL or address.is_site_local:
        return "private"
    elif not address.is_private and address not in _GLOBAL_UNICAST:
        return "reserved"
    return "public" if address.is_global and not address.is_private else "private"


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


class DestinationRules:
    """What the operator's configuration names may lie off the public internet.

    `inside` are places of the operator's own network, `named` all others that
    the configuration writes out, such as the upstreams. Either may be anywhere
    but multicast and reserved space when it is an address; a host name may
    resolve to loopback and private addresses, never to link-local or metadata
    ones: whoever answers for that name must not choose those.
    """

    def __init__(
        self, inside: Iterable[Destination] = (), *, named: Iterable[Destination] = ()
    ) -> None:
        self._inside = frozenset(inside)
        self._named = self._inside.union(named)

    def is_inside(self, destination: Destination) -> bool:
        """Is it known, unresolved, to lie in the operator's own network? No proxy leads there."""
        if destination in self._inside:
            return True
        address = literal_address(destination.host)
        here = (
            destination.host == "localhost"
            if address is None
            else address_class(address) != "public"
        )
        return here and destination in self._named

    def judge(self, destination: Destination, address: Address) -> Verdict:
        """May a connection to `destination` be dialled at `address`?"""
        kind = address_class(address)
        if kind == "public":
            return Verdict(True, "public")
        if destination in self._named and kind not in ("multicast", "reserved"):
            literal = literal_address(destination.host) == address
            if literal or kind in ("loopback", "private"):
                return Verdict(True, f"configured: {kind}")
        return Verdict(False, f"not public: {kind}")


def _malformed(text: str, why: str) -> EgressRefused:
    return EgressRefused(
        f"The URL {text[:200]!r} was refused: {why}.",
        hint="Write it as scheme://host:port/path, with plain ASCII names (IDNs in punycode).",
    )
