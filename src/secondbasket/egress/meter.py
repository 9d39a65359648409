"""Counts what goes through the door: by destination, vendor, controlling law and data class."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

import anyio
import msgspec

from secondbasket.core.clock import now
from secondbasket.core.decision import Decision
from secondbasket.core.egress import EgressSum
from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.traffic import current_traffic
from secondbasket.errors import StoreError
from secondbasket.policy.destinations import Destination

_log = logging.getLogger(__name__)

_INTERVAL_SECONDS = 30.0


class Flow(msgspec.Struct, frozen=True):
    """What one counter is about; the fields are those of an EgressSum."""

    destination: str
    vendor: str
    law: str
    data_class: str


class Counter:
    """One flow's bytes, added up on the event loop and on worker threads."""

    __slots__ = ("_lock", "received", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self._lock = threading.Lock()

    def add(self, *, sent: int = 0, received: int = 0) -> None:
        with self._lock:
            self.sent += sent
            self.received += received


class UnderWay(Protocol):
    """Something that adds to a counter only now and then, and can be told to do so now."""

    def count(self) -> None: ...


class Meter:
    """`record` gets what was counted, as decisions of the kind 'egress_bytes'.

    Each of those holds what came to one flow since the one before it: their
    sum is all there was, but for what a killed process had not told yet.
    """

    def __init__(self, record: Callable[[Decision], None]) -> None:
        self._record = record
        self._flows: dict[Flow, Counter] = {}
        self._told: dict[Flow, tuple[int, int]] = {}
        self._under_way: WeakSet[UnderWay] = WeakSet()
        self._since = now()

    def counter(self, destination: Destination, facts: UpstreamFacts | None) -> Counter:
        """The counter for the call that this task works for, at `destination`."""
        flow = Flow(
            str(destination),
            "" if facts is None else facts.vendor,
            "" if facts is None else facts.law,
            current_traffic.get().data_class.label,
        )
        found = self._flows.get(flow)
        return self._flows.setdefault(flow, Counter()) if found is None else found

    def watch(self, exchange: UnderWay) -> None:
        """Have `exchange` count before anybody reads, for as long as it lives."""
        self._under_way.add(exchange)

    def forget(self, exchange: UnderWay) -> None:
        self._under_way.discard(exchange)

    def sums(self) -> list[EgressSum]:
        """What was counted since the door was made, answers under way included."""
        for exchange in list(self._under_way):
            exchange.count()
        return [
            EgressSum(**msgspec.structs.asdict(flow), sent=counter.sent, received=counter.received)
            for flow, counter in list(self._flows.items())
        ]

    def tell(self) -> None:
        """Record what has come since the last time. Raises StoreError; the rest is told later."""
        until = now()
        for total in self.sums():
            flow = Flow(total.destination, total.vendor, total.law, total.data_class)
            sent, received = self._told.get(flow, (0, 0))
            if (total.sent, total.received) == (sent, received):
                continue
            self._record(
                Decision(
                    kind="egress_bytes",
                    subject=flow.destination,
                    outcome="counted",
                    detail={
                        "vendor": flow.vendor,
                        "law": flow.law,
                        "data_class": flow.data_class,
                        "sent": str(total.sent - sent),
                        "received": str(total.received - received),
                        "since": self._since,
                    },
                )
            )
            self._told[flow] = (total.sent, total.received)
        self._since = until

    async def run(self) -> None:
        """Tell every half minute, until cancelled."""
        while True:
            await anyio.sleep(_INTERVAL_SECONDS)
            try:
                self.tell()
            except StoreError as exc:
                _log.error("the count of egress waits: %s", exc)
