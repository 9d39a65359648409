"""What an audit finds wrong, each in a word for programs and a sentence for people."""

from typing import Literal

import msgspec

Kind = Literal[
    "edited",  # an entry whose content does not have its hash
    "replaced",  # an entry that follows another one than the one before it
    "reordered",  # the same, where the other one stands elsewhere in the chain
    "missing",  # entries between others are gone
    "truncated",  # entries at the end are gone
    "added",  # an entry or a receipt that was not written by the ledger
    "rewritten",  # the chain is sound in itself, and not the one that was signed
    "receipts_changed",
    "receipts_removed",
    "receipts_added",
    "sums_changed",  # hourly sums that are not the sums of the receipts
    "keys_changed",  # rights of keys that are not those which the decisions gave them
    "bad_head",  # a head that cannot be read, or does not have its signature
    "bad_key",  # a key that cannot be read, or that no known key vouches for
    "bad_report",
    "newer_form",  # written by a later version: cannot be checked by this one
]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """`entry` is the place in the chain that it is about, where it is about one."""

    kind: Kind
    entry: int | None = None
    told: str


class Problems:
    """Collects them; what comes after the first hundred is only counted."""

    def __init__(self, most: int = 100) -> None:
        self._most = most
        self.told: list[Problem] = []
        self.untold = 0

    def add(self, kind: Kind, told: str, *, entry: int | None = None) -> None:
        if len(self.told) < self._most:
            self.told.append(Problem(kind=kind, entry=entry, told=told))
        else:
            self.untold += 1


def span(first: int, last: int) -> str:
    """'entry 4 is' or 'entries 4 to 6 are'."""
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"
