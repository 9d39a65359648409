"""The part of a file that has arrived, and what the whole must be."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from secondbasket.errors import NotEnoughDisk
from secondbasket.models.disk import RESERVE, disk_errors

_BLOCK = 4 * 1024 * 1024


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Promised(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub promises of a file: its bytes, and its sha256 or (small files) its git id."""

    size: int
    sha256: str = ""
    git_id: str = ""

    @property
    def digest(self) -> str:
        return self.sha256 or self.git_id

    def new_hash(self) -> _Hash:
        if self.sha256:
            return hashlib.sha256()
        header = b"blob %d\0" % self.size
        return hashlib.sha1(header, usedforsecurity=False)


class Part:
    """A file with `.part` appended to its name, hashed as it grows. Blocks."""

    def __init__(self, target: Path, promised: Promised) -> None:
        self._target = target
        self._path = target.with_name(target.name + ".part")
        self._promised = promised
        self._hash = promised.new_hash()
        self._file: BinaryIO = self._path.open("ab+")
        self.received = 0

    def take_up(self) -> None:
        """Read what an earlier attempt left."""
        self._file.seek(0)
        while block := self._file.read(_BLOCK):
            self._hash.update(block)
            self.received += len(block)
        if self.received > self._promised.size:
            self.restart()

    def restart(self) -> None:
        self._file.truncate(0)
        self._hash = self._promised.new_hash()
        self.received = 0

    def append(self, block: bytes) -> None:
        """Raises NotEnoughDisk; the part is of no use to this process then, but to the next."""
        try:
            with disk_errors(self._path.parent):
                self._file.write(block)
                self._file.flush()
        except NotEnoughDisk:
            # The ledger lives on this disk too: give the reserve back, keep what came before.
            os.truncate(self._path, max(0, self.received - RESERVE))
            raise
        self._hash.update(block)
        self.received += len(block)

    def is_complete(self) -> bool:
        return self.received == self._promised.size

    def is_right(self) -> bool:
        return self._hash.hexdigest() == self._promised.digest

    def finish(self) -> None:
        """Give the file its own name."""
        self._path.replace(self._target)

    def close(self) -> None:
        self._file.close()
