"""Who may answer a request and who would: what the policy and the routing say of it now."""

from collections.abc import Mapping

import msgspec


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """How often something of a kind was found, never what, and the class that it asks for."""

    kind: str
    count: int
    data_class: str = msgspec.field(name="class")


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream that may see the request.

    `place` is when routing would ask it, from 1; 0 where it would not, for the
    `reason`. `unproven` says why it does not count as equal to the others.
    `most_cost` is the most it could cost there, in nano-units of `currency`;
    None where nothing bounds that.
    """

    upstream: str
    rule: str
    place: int
    reason: str = ""
    unproven: str = ""
    law: str = ""
    vendor: str = ""
    most_cost: int | None = None
    currency: str = ""


class Denied(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream that may not, and the rules that say so."""

    upstream: str
    rule: str
    law: str = ""
    vendor: str = ""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen to a request, which was not sent.

    `sources` maps everyone who has a say to the class that it asks for, and
    `raised_by` names those that decided. `unread` are the kinds of parts that
    no detector can read.
    """

    model: str
    data_class: str = msgspec.field(name="class")
    sources: Mapping[str, str]
    raised_by: tuple[str, ...]
    findings: tuple[Found, ...]
    unread: tuple[str, ...]
    routing: str
    allowed: tuple[Allowed, ...]
    denied: tuple[Denied, ...]
