"""A decision: something was allowed, refused or changed, and who or what it was about."""

from collections.abc import Mapping

import msgspec

from secondbasket.core.clock import now
from secondbasket.core.ids import new_id


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger beside the receipts, never changed once written.

    `kind` names the deed ('key_created', 'key_revoked', 'egress' …), `subject`
    what it was about (a key's id, a host and port), `outcome` how it ended
    ('allowed', 'refused', 'done'), `detail` what a reviewer needs and never a
    secret. `id` is the idempotency key, `at` is RFC 3339 in UTC.
    """

    kind: str
    subject: str
    outcome: str
    detail: Mapping[str, str] = {}
    id: str = msgspec.field(default_factory=lambda: new_id("dec"))
    at: str = msgspec.field(default_factory=now)
