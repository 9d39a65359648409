"""A head: what was signed of the ledger at one moment, to be kept where nobody can change both."""

import msgspec


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The chain of `ledger` had `size` entries at `at`; `hash` (hex) was that of the last."""

    ledger: str
    size: int
    hash: str
    at: str


class PushState(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with one destination. `size` is that of the head it took last, 0 for none."""

    destination: str
    size: int = 0
    pushed_at: str = ""
    failure: str = ""
    failing_since: str = ""


class LedgerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the ledger is being signed. The texts are empty while all is well: `failure` says why no
    head is made, `file_failure` why it is not in its file, `damage` what was changed."""

    head: Head | None = None
    failure: str = ""
    file_failure: str = ""
    damage: str = ""
    pushes: tuple[PushState, ...] = ()
