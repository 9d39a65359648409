"""Files to read documents from: which there are, and what each one's bytes are."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from secondbasket.apps.documents.kinds import BY_SUFFIX
from secondbasket.errors import DocumentError, InvalidRequest, NotFound

MOST_BYTES = 200 << 20
MOST_FILES = 200_000
_BLOCK = 1 << 20


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """`paths` are to be read, `folders` were walked, `skipped` counts files of no known kind."""

    paths: Sequence[Path]
    folders: Sequence[Path]
    skipped: int


def find(wanted: Sequence[str]) -> Files:
    """The documents at absolute paths of files and folders, sorted, each once.

    Hidden names and links are left out of folders: a link leads out of the
    folder that somebody chose to add, or shows the same file again. Raises
    NotFound for a path that is not there, InvalidRequest for one that is not
    absolute or holds too many.
    """
    found: dict[Path, None] = {}
    folders = []
    skipped = 0
    for each in wanted:
        path = _known(each)
        if not path.is_dir():
            found[path] = None
            continue
        folders.append(path)
        for file in _below(path):
            if file.suffix.lower() in BY_SUFFIX:
                found[file] = None
            else:
                skipped += 1
            if len(found) > MOST_FILES:
                raise InvalidRequest(
                    f"There are more than {MOST_FILES:,} documents below {path}.",
                    hint="Add its folders one by one, to several collections.",
                )
    return Files(paths=list(found), folders=folders, skipped=skipped)


def _known(wanted: str) -> Path:
    path = Path(wanted)
    if not path.is_absolute() or "\0" in wanted:
        raise InvalidRequest(f"{wanted[:200]!r} is not an absolute path.", param="paths")
    try:
        # Once, here: what a document is called is where it lies, by whatever way it was named.
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as exc:
        raise NotFound(f"There is no file or folder {wanted}.") from exc


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and not path.is_symlink():
                yield path


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], os.stat_result]]:
    """The plain file at `path`. Raises DocumentError naming it."""
    try:
        # A named pipe would wait for a writer; a link may have been put there since the walk.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise DocumentError(f"{path} cannot be read: {exc.strerror}.") from exc
    with os.fdopen(descriptor, "rb") as file:
        told = os.fstat(descriptor)
        if not stat.S_ISREG(told.st_mode):
            raise DocumentError(f"{path} cannot be read. It is no plain file.")
        if told.st_size > MOST_BYTES:
            raise DocumentError(
                f"{path} cannot be read. It has {told.st_size:,} bytes;"
                f" {MOST_BYTES:,} are the most.",
                hint="Split it.",
            )
        yield file, told


def sha256_of(file: IO[bytes]) -> str:
    """In hex, of the whole file, which is left at its beginning."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


def changed(file: IO[bytes], before: os.stat_result) -> bool:
    """Was it written to since `before`?"""
    now = os.fstat(file.fileno())
    return (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns)
