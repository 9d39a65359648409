"""Every fault × what is asked × how: the rows that gateways are measured on."""

from collections.abc import Iterator

import msgspec

from tests.faults.catalogue import BOTH, CATALOGUE, Fault, Mode
from tests.faults.server import FaultServer, Upstream, WireName
from tests.faults.wire import Form, Kind


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A call by a client, in the way it is made; `wire` is what the first upstream speaks."""

    number: int
    fault: Fault
    kind: Kind
    wire: WireName
    mode: Mode

    @property
    def model(self) -> str:
        """The public model name that this case has for itself, health and all."""
        return f"case-{self.number:03d}"

    @property
    def form(self) -> Form:
        return "vectors" if self.kind == "embeddings" else self.fault.form

    @property
    def title(self) -> str:
        return f"{self.fault.name}, {self.road}, {self.mode}"

    @property
    def road(self) -> str:
        """What is asked over which wire, for people."""
        return self.kind if self.wire == "openai" else f"{self.kind} (Anthropic)"


def cases(*, streamed_inside: bool = False) -> list[Case]:
    """All of them, numbered.

    A gateway that asks for a stream also where its caller wants a plain answer (`streamed_inside`)
    meets the faults of streams there too.
    """
    found = [
        (fault, kind, wire, mode)
        for fault in CATALOGUE
        for kind, wire in _roads(fault)
        for mode in (BOTH if streamed_inside else fault.modes)
        if not (kind == "embeddings" and mode == "stream")
    ]
    return [
        Case(number=number, fault=fault, kind=kind, wire=wire, mode=mode)
        for number, (fault, kind, wire, mode) in enumerate(found)
    ]


def _roads(fault: Fault) -> Iterator[tuple[Kind, WireName]]:
    for kind in fault.kinds:
        yield kind, "openai"
        if kind == "chat":
            yield kind, "anthropic"


class Pair(msgspec.Struct, frozen=True):
    """The two upstreams behind one case: the first has its fault, the second is well."""

    first: Upstream
    second: Upstream

    @property
    def under_way(self) -> int:
        """Calls that are not over yet."""
        calls = [*self.first.calls, *self.second.calls]
        return sum(not call.over.is_set() for call in calls)


def place(server: FaultServer, each: list[Case]) -> dict[str, Pair]:
    """A pair of upstreams on `server` for every case, by its model name."""
    return {
        case.model: Pair(
            server.upstream(f"{case.model}-first", case.wire, case.fault),
            server.upstream(f"{case.model}-second"),
        )
        for case in each
    }
