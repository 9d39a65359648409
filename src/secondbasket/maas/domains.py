"""Domains in which one cause stops several upstreams at once, and what each upstream is in them.

Pure: what is compared is what is known without asking. An upstream of which
nothing is known in a domain has no value there.
"""

import ipaddress
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

from secondbasket.core.law import laws_over
from secondbasket.core.ports import UpstreamFacts
from secondbasket.maas.prices import LOCAL

Domain = Literal[
    "weights",
    "weights_origin",
    "vendor",
    "operator",
    "law",
    "location",
    "machine",
    "network",
    "zone",
    "engine",
]

_IPV4_NETWORK = 24
_IPV6_NETWORK = 48
_THIS_MACHINE = "this machine"
_OWN_LAW = "own"


def _address(facts: UpstreamFacts) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(facts.host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def machine(facts: UpstreamFacts) -> str:
    """The machine that it runs on, where that is known: ours, or one that has an address."""
    address = _address(facts)
    if not facts.host or facts.host == "localhost" or (address and address.is_loopback):
        return _THIS_MACHINE
    return "" if address is None else str(address)


def _network(facts: UpstreamFacts) -> str:
    address = _address(facts)
    if address is None or address.is_loopback:
        return ""
    width = _IPV4_NETWORK if address.version == 4 else _IPV6_NETWORK
    return str(ipaddress.ip_network((address, width), strict=False))


def _zone(facts: UpstreamFacts) -> str:
    """The domain that somebody registered, and that can be taken away whole."""
    if machine(facts):
        return ""
    return _suffixes().privatesuffix(facts.host) or facts.host


@cache
def _suffixes() -> Any:
    # Read when it is first needed: it takes 60 ms and some memory. Registries only: whoever hands
    # out names below one of its own, as a cloud does, can stop all of them with it.
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - see above

    return PublicSuffixList(only_icann=True)


def _known(value: str) -> tuple[str, ...]:
    return (value,) if value.strip() else ()


VALUES: Mapping[Domain, Callable[[UpstreamFacts], tuple[str, ...]]] = {
    "weights": lambda facts: _known(facts.digest),
    "weights_origin": lambda facts: _known(facts.weights_origin),
    # Nobody sells us what we run ourselves: the operator tells that.
    "vendor": lambda facts: () if facts.vendor == LOCAL else _known(facts.vendor),
    "operator": lambda facts: _known(facts.operator),
    # Its own comes first, so that it is told where both are shared.
    "law": lambda facts: laws_over(facts.law),
    "location": lambda facts: _known(facts.location),
    "machine": lambda facts: _known(machine(facts)),
    "network": lambda facts: _known(_network(facts)),
    "zone": lambda facts: _known(_zone(facts)),
    "engine": lambda facts: _known(facts.engine_family),
}
"""What an upstream is in each domain: usually one value, none where it is not known."""


def cause(domain: Domain, value: str) -> str:
    """What would have to happen for everything with this value to stop, as half a sentence."""
    match domain:
        case "weights":
            return f"the weights {value[:19]} are faulty or must not be used any more"
        case "weights_origin":
            return f"{value} withdraws its weights or their licence"
        case "vendor":
            return f"{value} stops answering"
        case "operator":
            return "you stop running it" if value == LOCAL else f"{value} stops its machines"
        case "law":
            return f"{'your own' if value == _OWN_LAW else value} law forbids it"
        case "location":
            return f"{value} cannot be reached"
        case "machine":
            return f"{value} stops" if value == _THIS_MACHINE else f"the machine {value} stops"
        case "network":
            return f"the network {value} fails"
        case "zone":
            return f"the domain {value} fails or is taken away"
        case "engine":
            return f"a fault of the engine {value} shows"
