"""One walk through a ledger: does each entry follow from the one before, and cover its receipts?"""

from collections.abc import Collection, Iterable

import msgspec

from secondbasket.ledger.chain import BEGUN, NOTHING
from secondbasket.ledger.findings import Problems, span
from secondbasket.ledger.key_history import ANNOUNCED, Announcement, read_announcement
from secondbasket.ledger.record import Entry, Record, Sealed
from secondbasket.ledger.seals import FORMS, SEALED, root_of

_MOST_SUSPECTS = 1000


class Strays(msgspec.Struct):
    """Receipts that name an entry which does not seal them."""

    count: int
    first: str


class Walk:
    """What was seen. `hashes` are those of the entries asked for, `drills` maps the SHA-256 that
    an entry of the kind 'drill' tells of its report to its place."""

    def __init__(self, record: Record, wanted: Collection[int], problems: Problems) -> None:
        self.ledger = ""
        self.size = 0
        self.hash = NOTHING
        self.receipts = 0
        self.hashes: dict[int, str] = {}
        self.announced: list[Announcement] = []
        self.drills: dict[str, int] = {}
        self._record = record
        self._wanted = wanted
        self._problems = problems
        self._sealing: Entry | None = None
        self._group: list[Sealed] = []
        self._strays: dict[str, Strays] = {}
        self._suspects: list[Entry] = []
        for item in record.items():
            if isinstance(item, Sealed):
                self._see_receipt(item)
            else:
                self._see_entry(item)
        self._close_group()
        self._tell_strays()
        self._tell_suspects()
        self._compare_tail()

    def _see_entry(self, entry: Entry) -> None:
        content = entry.content
        place = entry.place
        if place is None:
            told = f"The decision {content.id} ({content.kind}) has no place in the chain."
            self._problems.add("added", told)
            return
        self._close_group()
        if place <= self.size:
            told = f"There is a second entry {place}: {_named(entry)}."
            self._problems.add("added", told, entry=place)
            return
        gap = place > self.size + 1
        if gap:
            told = f"{span(self.size + 1, place - 1).capitalize()} missing."
            self._problems.add("missing", told, entry=self.size + 1)
        edited = content.hash != entry.hash
        follows = gap or content.previous == self.hash
        if not follows and len(self._suspects) < _MOST_SUSPECTS:
            self._suspects.append(entry)
        elif edited or not follows:
            self._tell_edited(entry)
        self.size, self.hash = place, str(entry.hash)
        if place in self._wanted:
            self.hashes[place] = self.hash
        self._read(entry, edited=edited)

    def _read(self, entry: Entry, *, edited: bool) -> None:
        content, place = entry.content, self.size
        if (place == 1) != (content.kind == BEGUN):
            told = f"Entry {place} is {_named(entry)}, and a ledger begins once, with entry 1."
            self._problems.add("replaced", told, entry=place)
        if place == 1:
            self.ledger = str(content.subject)
        if content.kind == SEALED and not edited:
            self._sealing = entry
        elif content.kind == ANNOUNCED:
            try:
                key = read_announcement(
                    sequence=place, at=content.at, subject=content.subject, detail=content.detail
                )
            except (ValueError, TypeError) as exc:
                told = f"Entry {place} announces a key that cannot be read: {exc}."
                self._problems.add("bad_key", told, entry=place)
            else:
                self.announced.append(key)
        elif content.kind == "drill":
            self.drills[entry.detail.get("sha256", "")] = place

    def _see_receipt(self, receipt: Sealed) -> None:
        self.receipts += 1
        if self._sealing is not None and receipt.seal == self.size:
            self._group.append(receipt)
        else:
            stray = self._strays.setdefault(str(receipt.seal), Strays(0, receipt.request_id))
            stray.count += 1

    def _close_group(self) -> None:
        entry, group = self._sealing, self._group
        self._sealing, self._group = None, []
        if entry is None:
            return
        place, detail = self.size, entry.detail
        if detail.get("form") not in FORMS:
            told = f"Entry {place} seals receipts in a form of a newer version."
            self._problems.add("newer_form", told, entry=place)
            return
        group.sort(key=lambda receipt: receipt.request_id.encode())
        sealed = f"{detail.get('first')} to {detail.get('last')}"
        counted = detail.get("count", "")
        if str(len(group)) != counted:
            count = int(counted) if counted.isdecimal() else 0
            told = f"Entry {place} seals {count} receipts ({sealed}), and {len(group)} are there."
            if len(group) < count:
                self._problems.add("receipts_removed", told, entry=place)
            else:
                self._problems.add("receipts_added", told, entry=place)
        elif root_of(receipt.leaf for receipt in group) != detail.get("root"):
            several = f"One of the {len(group)} receipts" if len(group) > 1 else "The receipt"
            told = f"{several} that entry {place} seals ({sealed}) was changed."
            self._problems.add("receipts_changed", told, entry=place)

    def _tell_strays(self) -> None:
        for seal, strays in self._strays.items():
            more = f" (and {strays.count - 1} more)" if strays.count > 1 else ""
            by = "no entry" if seal == "None" else f"entry {seal}, which seals no such receipt"
            told = f"The receipt {strays.first}{more} names {by}."
            self._problems.add("receipts_added", told)

    def _tell_suspects(self) -> None:
        """Where does what they follow stand now?"""
        before = {str(suspect.content.previous): 0 for suspect in self._suspects}
        if before:
            for entry in _entries(self._record):
                if entry.hash in before and entry.place is not None:
                    before[entry.hash] = entry.place
        for suspect in self._suspects:
            self._tell_suspect(suspect, before[str(suspect.content.previous)])

    def _tell_suspect(self, suspect: Entry, before: int) -> None:
        """`before` is the place of the entry whose hash it carries, 0 where there is none."""
        place = suspect.content.sequence
        unedited = suspect.hash == suspect.content.hash
        moved = msgspec.structs.replace(suspect.content, sequence=before + 1)
        if before and (unedited or suspect.hash == moved.hash):
            told = (
                f"Entry {place} ({_named(suspect)}) was written after what is now entry {before}:"
                " they were reordered."
            )
            self._problems.add("reordered", told, entry=place)
        elif unedited:
            told = (
                f"Entry {place} ({_named(suspect)}) does not follow entry {place - 1}: one of"
                " them was replaced, and its hash made anew."
            )
            self._problems.add("replaced", told, entry=place)
        else:
            self._tell_edited(suspect)

    def _tell_edited(self, entry: Entry) -> None:
        place = entry.content.sequence
        told = f"Entry {place} ({_named(entry)}) was changed: its content does not have its hash."
        self._problems.add("edited", told, entry=place)

    def _compare_tail(self) -> None:
        tail = self._record.tail()
        if tail is None:
            if self.size:
                self._problems.add("truncated", "The note of where the chain ends is gone.")
        elif tail.sequence > self.size:
            told = (
                f"The chain was written up to entry {tail.sequence}:"
                f" {span(self.size + 1, tail.sequence)} missing at its end."
            )
            self._problems.add("truncated", told, entry=self.size + 1)
        elif tail.sequence < self.size:
            told = (
                f"The chain was written up to entry {tail.sequence}:"
                f" {span(tail.sequence + 1, self.size)} not the ledger's own."
            )
            self._problems.add("added", told, entry=tail.sequence + 1)
        elif tail.hash != self.hash:
            told = f"Entry {self.size} is not the one that the ledger wrote last."
            self._problems.add("replaced", told, entry=self.size)


def _entries(record: Record) -> Iterable[Entry]:
    return (item for item in record.items() if isinstance(item, Entry))


def _named(entry: Entry) -> str:
    content = entry.content
    return f"{content.kind} {content.subject}, {content.at}"
