"""The ledger in one file, to be kept or audited elsewhere: a JSON object a line.

::

    {"export":{"form":"1","made_at":…,"version":…,"tail":{"hash":…,"sequence":…}}}
    {"entry":{…},"hash":"…"}          SHA-256 of the object under "entry", as it stands
    {"receipt":{…},"seal":17}         after the entry 17 that seals it
    {"head":{…}}                      each signed head that was kept with it
    {"end":{"entries":…,"heads":…,"receipts":…}}

What is hashed is in canonical form, so the bytes of a line are what was hashed.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from secondbasket.core.canonical import canonical
from secondbasket.core.clock import now
from secondbasket.errors import StoreError
from secondbasket.ledger.chain import Content
from secondbasket.ledger.record import Entry, Record, Sealed, Tail

_FORM = "1"


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """The first line's content. `tail` is what the database noted as its chain's end."""

    form: str
    made_at: str
    tail: Tail | None
    version: str


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The last line's content: how many lines of each kind stand before it."""

    entries: int
    heads: int
    receipts: int


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    export: Beginning | None = None
    entry: dict[str, Any] | None = None
    hash: str | None = None
    receipt: msgspec.Raw = msgspec.Raw()
    seal: int | None = None
    head: msgspec.Raw = msgspec.Raw()
    end: End | None = None


class _Identified(msgspec.Struct, frozen=True):
    request_id: str


_line = msgspec.json.Decoder(_Line)
_identified = msgspec.json.Decoder(_Identified)


def write_export(record: Record, target: Path, *, version: str) -> End:
    """Write `record` to `target`, mode 0600, whole or not at all. Raises StoreError."""
    draft = target.with_name(f".{target.name}.draft")
    try:
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                end = _write(record, file.write, version)
                file.flush()
                os.fsync(descriptor)
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise StoreError(
            f"The export {target} could not be written: {exc.strerror}.",
            hint="Choose a disk with room, and a folder you may write.",
        ) from exc
    return end


def _write(record: Record, write: Any, version: str) -> End:
    beginning = Beginning(form=_FORM, made_at=now(), tail=record.tail(), version=version)
    write(canonical({"export": beginning}) + b"\n")
    entries = receipts = heads = 0
    for item in record.items():
        if isinstance(item, Entry):
            write(b'{"entry":%b,"hash":%b}\n' % (item.content.canonical, canonical(item.hash)))
            entries += 1
        else:
            write(b'{"receipt":%b,"seal":%b}\n' % (item.leaf, canonical(item.seal)))
            receipts += 1
    for head in record.heads():
        write(b'{"head":%b}\n' % head)
        heads += 1
    end = End(entries=entries, heads=heads, receipts=receipts)
    write(canonical({"end": end}) + b"\n")
    return end


class ExportRecord:
    """The ledger in an exported file. Raises StoreError for a file that is none, or ends early."""

    def __init__(self, file: Path) -> None:
        self.name = str(file)
        self._file = file
        first = next(self._lines(), None)
        if first is None or first.export is None:
            raise self._damaged(1, "it does not begin as an export does")
        if first.export.form != _FORM:
            raise StoreError(
                f"{file} was made by Second Basket {first.export.version}, in a newer form.",
                hint="Verify it with that version.",
            )
        self.beginning = first.export

    def tail(self) -> Tail | None:
        return self.beginning.tail

    def items(self) -> Iterator[Entry | Sealed]:
        for number, line in enumerate(self._lines(), 1):
            try:
                if line.entry is not None:
                    yield Entry(Content(**line.entry), line.hash)
                elif leaf := bytes(line.receipt):
                    yield Sealed(_identified.decode(leaf).request_id, line.seal, leaf)
            except (TypeError, msgspec.MsgspecError) as exc:
                raise self._damaged(number, str(exc)) from exc

    def heads(self) -> Iterator[bytes]:
        for line in self._lines():
            if head := bytes(line.head):
                yield head

    def _lines(self) -> Iterator[_Line]:
        """Every line, the last of which counts the others."""
        entries = receipts = heads = 0
        end: End | None = None
        number = 0
        try:
            with self._file.open("rb") as file:
                for number, text in enumerate(file, 1):
                    line = _line.decode(text)
                    if end is not None:
                        raise self._damaged(number, "there is more after its end")
                    entries += line.entry is not None
                    receipts += bool(bytes(line.receipt))
                    heads += bool(bytes(line.head))
                    end = line.end
                    yield line
        except OSError as exc:
            raise StoreError(
                f"{self._file} cannot be read: {exc.strerror}.", hint="Check the path."
            ) from exc
        except (msgspec.MsgspecError, RecursionError) as exc:
            raise self._damaged(number, str(exc)) from exc
        if end is None:
            raise self._damaged(number, "the file was cut off there")
        if end != End(entries=entries, heads=heads, receipts=receipts):
            raise self._damaged(number, "its end counts other lines than there are")

    def _damaged(self, number: int, reason: str) -> StoreError:
        return StoreError(
            f"{self._file} is not a whole export of a ledger: line {number}: {reason}.",
            hint="Make it anew with: basket ledger export FILE",
        )
