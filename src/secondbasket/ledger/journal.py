"""The journal: what happened, on this node's disk before anyone is told it happened.

A folder of append-only segment files. Each entry is one line, one ``write``,
one JSON object that carries the CRC of its own text::

    {"crc32":"9a8b7c6d","receipt":{…}}
    {"crc32":"01234567","decision":{…}}

A written line is in the operating system's hands, so it survives kill -9 of
this process; `fsync` makes each write wait for the disk, so that it survives a
power cut too. The folder `ledger.fold` moves the lines into the database and
deletes segments that are wholly there.
"""

import errno
import logging
import os
import threading
import zlib
from pathlib import Path

import msgspec

from secondbasket.core.clock import parse
from secondbasket.core.decision import Decision
from secondbasket.core.ids import new_id
from secondbasket.core.receipt import Receipt
from secondbasket.errors import StoreError

_log = logging.getLogger(__name__)

_SUFFIX = ".jsonl"
_HEAD = b'{"crc32":"%08x",'
_HEAD_LENGTH = len(_HEAD % 0)
_RECEIPT = b'"receipt":'
_DECISION = b'"decision":'
_encoder = msgspec.json.Encoder()
_receipts = msgspec.json.Decoder(Receipt)
_decisions = msgspec.json.Decoder(Decision)

Entry = Receipt | Decision


def encode(entry: Entry) -> bytes:
    """The entry's line, newline included."""
    kind = _RECEIPT if isinstance(entry, Receipt) else _DECISION
    body = kind + _encoder.encode(entry)
    return b"".join((_HEAD % zlib.crc32(body), body, b"}\n"))


def decode(line: bytes) -> Entry:
    """The entry of a line without its newline. Raises ValueError when it is damaged."""
    body = line[_HEAD_LENGTH:-1]
    if line[:_HEAD_LENGTH] != _HEAD % zlib.crc32(body) or not line.endswith(b"}"):
        raise ValueError("the line does not match its CRC")
    if body.startswith(_RECEIPT):
        return _receipts.decode(body[len(_RECEIPT) :])
    return _decisions.decode(body.removeprefix(_DECISION))


class Journal:
    """One writer's journal in `folder`, which is made when missing.

    Opening it cuts off the torn last line a crash may have left in a segment
    (kept beside it as ``.torn``) and begins a new segment. The home's lock
    keeps a second process out. Raises StoreError when the folder is unusable.
    `segments` are its files, oldest first; the last one is being written, the
    others are closed.
    """

    def __init__(
        self, folder: Path, *, fsync: bool = False, segment_bytes: int = 4 * 1024 * 1024
    ) -> None:
        self.folder = folder
        self._flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        if fsync:
            self._flags |= os.O_DSYNC
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.segments = tuple(sorted(folder.glob(f"*{_SUFFIX}")))
            for segment in self.segments:
                _cut_torn_tail(segment)
            self._open_segment()
        except OSError as exc:
            raise _unusable(exc) from exc

    def _open_segment(self) -> None:
        path = self.folder / f"{new_id('journal')}{_SUFFIX}"
        self._file: int | None = os.open(path, self._flags, 0o600)
        if self._fsync:
            _sync_folder(self.folder)
        self.segments = (*self.segments, path)
        self._size = 0
        self._torn = False

    def append(self, entry: Entry) -> None:
        """Write one entry; it is durable when this returns.

        Raises StoreError when it could not be written (a full disk, a closed
        journal); the journal then holds nothing of it. ValueError for an entry
        whose moment is no RFC 3339 time.
        """
        parse(entry.created_at if isinstance(entry, Receipt) else entry.at)
        line = encode(entry)
        with self._lock:
            if self._file is None:
                raise StoreError(
                    "The ledger's journal is closed.", hint="The server is stopping: try later."
                )
            try:
                if self._torn:
                    os.ftruncate(self._file, self._size)
                    self._torn = False
                if self._size >= self._segment_bytes:
                    full = self._file
                    self._open_segment()
                    os.close(full)
                self._torn = True
                if os.write(self._file, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self._torn = False
            except OSError as exc:
                raise _unusable(exc) from exc
            self._size += len(line)

    @property
    def end(self) -> tuple[Path, int]:
        """Where the next entry goes: the segment being written, and its bytes so far."""
        return self.segments[-1], self._size

    def remove(self, segment: Path) -> None:
        """Delete a closed segment, once all of it is in the database."""
        with self._lock:
            self.segments = tuple(path for path in self.segments if path != segment)
        segment.unlink()

    def close(self) -> None:
        """Close the segment; its lines stay for the folder of the next start."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
            # Its number will soon be another file's, which no late entry may be written into.
            self._file = None


def record_once(folder: Path, entry: Entry) -> None:
    """Append one entry to a journal that nobody has open; it is folded at the next start."""
    journal = Journal(folder)
    try:
        journal.append(entry)
    finally:
        journal.close()


def _cut_torn_tail(segment: Path) -> None:
    """A line without its newline was never acknowledged: keep it aside, and cut it off."""
    content = segment.read_bytes()
    end = content.rfind(b"\n") + 1
    if end == len(content):
        return
    aside = segment.with_suffix(".torn")
    aside.write_bytes(content[end:])
    os.truncate(segment, end)
    _log.warning(
        "journal segment %s ended in a torn line of %d bytes (a crash while writing): kept as %s",
        segment.name,
        len(content) - end,
        aside.name,
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(exc: OSError) -> StoreError:
    return StoreError(
        f"The ledger's journal cannot be written: {exc.strerror}.",
        hint="Make room on the disk of the home, or mend its permissions.",
    )
