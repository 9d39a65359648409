"""What the door asks before it opens: judge, resolve once, record. Makes no socket."""

import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from secondbasket.core.decision import Decision
from secondbasket.errors import EgressRefused
from secondbasket.policy.destinations import (
    Address,
    Destination,
    DestinationRules,
    literal_address,
)
from secondbasket.policy.verdict import Verdict

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses, as text, of a host name: at least one. Blocks; raises OSError for none."""

_DECISIONS_REMEMBERED = 4096

_HINTS = {
    "offline": "Egress is switched off by the setting egress.offline.",
    "redirect": "Write the address it redirects to into the configuration.",
    "other origin": "A session for one upstream reaches that upstream only.",
}
_NOT_PUBLIC = "If this place is yours, name it as inside in the configuration."


def resolve_with_system(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class Gate:
    """Decides by `rules` as set, tells `record` every decision that it has not told before.

    Its detail holds the purpose, the rule, and the address where one was
    judged. `record` is called on the event loop and on worker threads, and
    must not block. `proxy` is where the corporate proxy listens, if there is one.
    """

    def __init__(
        self,
        rules: DestinationRules,
        record: Callable[[Decision], None],
        *,
        proxy: Destination | None,
        offline: bool,
        resolve: Resolve,
    ) -> None:
        self.rules = rules
        self._record = record
        self._proxy = proxy
        self._offline = offline
        self._resolve = resolve
        self._told: set[tuple[str, str, str, Verdict]] = set()

    def is_inside(self, destination: Destination) -> bool:
        return self.rules.is_inside(destination)

    def admit(self, purpose: str, destination: Destination) -> None:
        """The part of a decision that needs no resolver. Raises EgressRefused."""
        if self._offline:
            raise self.refusal(purpose, destination, "offline")
        literal = literal_address(destination.host)
        if literal is not None:
            self._judge(purpose, destination, literal)

    def addresses(self, purpose: str, destination: Destination) -> Sequence[str]:
        """The addresses that may be dialled for `destination` now; blocks on the resolver.

        Raises EgressRefused where one of them is forbidden, OSError where there is none.
        """
        if self._offline:
            raise self.refusal(purpose, destination, "offline")
        try:
            found = self._resolve(destination.host, destination.port)
        except OSError:
            self._tell(purpose, destination, None, Verdict(False, "no address"))
            raise
        for text in found:
            self._judge(purpose, destination, ip_address(text))
        return found

    def refusal(
        self, purpose: str, destination: Destination, rule: str, address: Address | None = None
    ) -> EgressRefused:
        """Record a refusal and return the error that says so."""
        self._tell(purpose, destination, address, Verdict(False, rule))
        at = f" at {address}" if address and str(address) != destination.host else ""
        return EgressRefused(
            f"No connection to {destination}{at} for {purpose}: {rule}.",
            hint=_HINTS.get(rule, _NOT_PUBLIC),
        )

    def _judge(self, purpose: str, destination: Destination, address: Address) -> None:
        if destination == self._proxy:
            verdict = Verdict(True, "proxy")
        else:
            verdict = self.rules.judge(destination, address)
        if not verdict.allowed:
            raise self.refusal(purpose, destination, verdict.rule, address)
        self._tell(purpose, destination, address, verdict)

    def _tell(
        self, purpose: str, destination: Destination, address: Address | None, verdict: Verdict
    ) -> None:
        known = (purpose, str(destination), str(address or ""), verdict)
        if known in self._told:
            return
        if len(self._told) >= _DECISIONS_REMEMBERED:
            self._told.clear()
        _, subject, dialled, _ = known
        self._record(
            Decision(
                kind="egress",
                subject=subject,
                outcome="allowed" if verdict.allowed else "refused",
                detail={"purpose": purpose, "address": dialled, "rule": verdict.rule},
            )
        )
        # Only now: a decision that could not be recorded is not yet told.
        self._told.add(known)
