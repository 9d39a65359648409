"""A task's own folder, and no step out of it.

Every name is walked part by part from a descriptor of the folder, and no part
may be a symbolic link: what was looked at is what is opened, whoever swaps
links in the meantime. ``..`` is not a part that a name can have.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from secondbasket.errors import ToolFailed

INSIDE = "/task"
"""Where programs in the sandbox see the folder: names may begin with it."""

_RESERVED = ".basket"
_LONGEST_NAME = 1000
_LONGEST_PART = 240  # of a file system's 255 bytes; the rest is for the name of its draft
_DEEPEST = 16
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not hold us up
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Name = tuple[str, ...]


class Entry(msgspec.Struct, frozen=True):
    """A file in the folder; `stamp` changes with what it holds."""

    name: str
    size: int
    stamp: tuple[int, int, int]


def parse(text: str) -> Name:
    """The parts of a name in the folder. Raises ToolFailed where it is none."""
    inner = text[len(INSIDE) :] if text == INSIDE or text.startswith(f"{INSIDE}/") else text
    parts = tuple(part for part in inner.strip("/").split("/") if part not in ("", "."))
    if inner == text and text.startswith("/"):
        raise _no_name(text, "it begins with '/'")
    if ".." in parts or "\\" in text or not text.isprintable():
        raise _no_name(text, "it has '..', '\\' or control characters in it")
    if len(text) > _LONGEST_NAME or any(len(part.encode()) > _LONGEST_PART for part in parts):
        raise _no_name(text, "it is too long")
    if len(parts) > _DEEPEST:
        raise _no_name(text, f"it is more than {_DEEPEST} folders deep")
    if parts and parts[0] == _RESERVED:
        raise _no_name(text, f"'{_RESERVED}' is ours")
    return parts


def mark_name(key: str) -> Name:
    """Where a call's own mark lies; no other name leads there."""
    return _RESERVED, f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"


class Folder:
    """The folder at `root`, which exists. Blocks: call it on a worker thread.

    Every method raises ToolFailed, in words that its caller can mend a name by.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: Name, *, start: int = 0, limit: int) -> tuple[bytes, int]:
        """At most `limit` bytes of a file from byte `start` on, and its whole size."""
        with self._translated(name), self._parent(name) as (parent, last):
            descriptor = os.open(last, _FILE, dir_fd=parent)
            with os.fdopen(descriptor, "rb") as file:
                about = os.fstat(descriptor)
                if not stat.S_ISREG(about.st_mode):
                    raise ToolFailed(
                        f"'{'/'.join(name)}' is no file.", hint="files.list lists all."
                    )
                file.seek(start)
                return file.read(limit), about.st_size

    def replace(self, name: Name, content: bytes, *, key: str) -> None:
        """Have the file hold `content`, all of it or nothing; folders on its way are made.

        `key` names the draft, so that one that a crash has left is used up by
        the call that is made again.
        """
        with self._translated(name), self._parent(name, make=True) as (parent, last):
            draft = f".{hashlib.sha256(key.encode()).hexdigest()[:12]}.part"
            _unlink(draft, parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                with os.fdopen(os.open(draft, flags, 0o600, dir_fd=parent), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(draft, last, src_dir_fd=parent, dst_dir_fd=parent)
            except OSError:
                _unlink(draft, parent)
                raise
            os.fsync(parent)

    def entries(self, limit: int) -> tuple[list[Entry], bool]:
        """The files in it by name, at most `limit`, and whether there are more.

        Links and what is neither file nor folder are left out.
        """
        found: list[Entry] = []
        with self._translated(()):
            for entry in self._walk(os.open(self._root, _FOLDER), ""):
                if len(found) == limit:
                    return sorted(found, key=lambda each: each.name), True
                found.append(entry)
        return sorted(found, key=lambda each: each.name), False

    def _walk(self, folder: int, prefix: str) -> Iterator[Entry]:
        """`folder` is closed here."""
        inner = []
        try:
            with os.scandir(folder) as listed:
                for each in listed:
                    about = each.stat(follow_symlinks=False)
                    if stat.S_ISDIR(about.st_mode):
                        inner.append(each.name)
                    elif stat.S_ISREG(about.st_mode):
                        stamp = (about.st_ino, about.st_mtime_ns, about.st_size)
                        yield Entry(prefix + each.name, about.st_size, stamp)
            for name in sorted(inner):
                if prefix.count("/") >= _DEEPEST or (not prefix and name == _RESERVED):
                    continue
                try:
                    deeper = os.open(name, _FOLDER, dir_fd=folder)
                except OSError:
                    continue  # it went, or became a link, since it was listed
                yield from self._walk(deeper, f"{prefix}{name}/")
        finally:
            os.close(folder)

    @contextmanager
    def _parent(self, name: Name, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """A descriptor of the folder that holds `name`, and the name's last part."""
        if not name:
            raise ToolFailed("The folder itself is no file.", hint="Name a file in it.")
        descriptor = os.open(self._root, _FOLDER)
        try:
            for part in name[:-1]:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=descriptor)
                inner = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor, name[-1]
        finally:
            os.close(descriptor)

    @contextmanager
    def _translated(self, name: Name) -> Iterator[None]:
        told = "/".join(name)
        try:
            yield
        except FileNotFoundError as exc:
            raise ToolFailed(
                f"There is no file '{told}'." if name else "The task's folder is gone.",
                hint=self._there_are() if name else "",
            ) from exc
        except IsADirectoryError as exc:
            raise ToolFailed(f"'{told}' is a folder.", hint="Name a file in it.") from exc
        except OSError as exc:
            if exc.errno in (errno.ELOOP, errno.ENOTDIR):
                raise ToolFailed(
                    f"'{told}' leads over something that is no folder, or over a link.",
                    hint="Links are not followed: name the file itself.",
                ) from exc
            if exc.errno in _FULL:
                raise ToolFailed(
                    f"'{told}' was not written: the disk is full.",
                    hint="Nothing was changed; your operator can make room.",
                ) from exc
            raise ToolFailed(f"'{told}' cannot be used: {exc.strerror}.") from exc

    def _there_are(self) -> str:
        try:
            found, more = self.entries(12)
        except ToolFailed:
            return ""
        names = ", ".join(each.name for each in found)
        return f"There are: {names}{', …' if more else ''}." if found else "The folder is empty."


def _unlink(name: str, folder: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _no_name(text: str, why: str) -> ToolFailed:
    return ToolFailed(
        f"{text[:100]!r} names no file here: {why}.",
        hint="Name files as files.list does, such as 'notes/first.txt'.",
    )
