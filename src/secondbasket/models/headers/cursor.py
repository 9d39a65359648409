"""Reading a file of unknown intentions: no step leaves the file or the header's limit."""

import os
import stat
import struct
from pathlib import Path
from typing import Self

from secondbasket.errors import BadModelFile

_LENGTH = struct.Struct("<Q")
_WINDOW = 1 << 20


class Cursor:
    """A position in a regular file that moves forward only as far as the bytes really go.

    `size` is the file's size in bytes when it was opened. Opening raises
    BadModelFile for what is no readable regular file.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            # Without O_NONBLOCK a named pipe would hold us until somebody writes.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as exc:
            raise BadModelFile(f"{path.name} cannot be read: {exc.strerror}.") from exc
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise BadModelFile(f"{path.name} is not a regular file.")
        self._file = os.fdopen(descriptor, "rb", buffering=1 << 16)
        self.size = status.st_size
        self.position = 0
        self._end = self.size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def left(self) -> int:
        """Bytes between here and the limit."""
        return self._end - self.position

    def limit(self, end: int) -> None:
        """Nothing at or beyond the offset `end` is read from now on."""
        self._end = min(end, self.size)

    def refuse(self, why: str) -> BadModelFile:
        """The error to raise: which file, what is wrong with it."""
        return BadModelFile(
            f"{self.name} is not safe to load: {why}.",
            hint="It is damaged or was made to deceive; get it again from a source you trust.",
        )

    def take(self, length: int) -> bytes:
        """The next `length` bytes. The caller bounds `length`; the file bounds it here."""
        self._advance(length)
        data = self._file.read(length)
        if len(data) != length:
            raise self.refuse("it became shorter while it was read")
        return data

    def skip(self, length: int) -> None:
        self._advance(length)
        self._file.seek(self.position)

    def _advance(self, length: int) -> None:
        if length > self.left:
            raise self.refuse(
                f"at byte {self.position} it announces {length} bytes where {self.left} are left"
            )
        self.position += length

    def skip_strings(self, count: int, longest: int) -> None:
        """Pass `count` strings, each after its length as 64 bits, none above `longest` bytes."""
        while count:
            window = os.pread(self._file.fileno(), min(_WINDOW, self.left), self.position)
            passed = 0
            while count and passed + _LENGTH.size <= len(window):
                (length,) = _LENGTH.unpack_from(window, passed)
                if length > longest:
                    raise self.refuse(f"it holds a string of {length} bytes")
                passed += _LENGTH.size + length
                count -= 1
            if not passed:
                raise self.refuse(f"it ends where {count} more strings should come")
            self.skip(passed)

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")
