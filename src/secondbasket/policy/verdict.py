"""What a rule says."""

import msgspec


class Verdict(msgspec.Struct, frozen=True):
    """`rule` says why, in a few words that go into the ledger."""

    allowed: bool
    rule: str
