"""Weights on disk, named by what they contain.

::

    models/
      blobs/sha256-<hex>     finished files, read-only, never changed
      partial/<key>/         one folder per pull under way, resumed or discarded

A blob appears by one atomic rename after its bytes were hashed and flushed, so
a name in `blobs` always had the right content when it was written. Everything
here blocks; call it from a thread.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from secondbasket.core.model import ModelFile
from secondbasket.errors import BadModelFile, DigestMismatch

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK = 4 * 1024 * 1024


def sha256_of(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """The sha256 (hex) of a file's bytes; `progress` is told the bytes read so far."""
    digest = hashlib.sha256()
    received = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            received += len(block)
            if progress is not None:
                progress(received)
    return digest.hexdigest()


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` as durable as the files they name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Store:
    """The content-addressed files under `folder` (created when missing)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._blobs = folder / "blobs"
        self._partial = folder / "partial"
        for each in (self._blobs, self._partial):
            each.mkdir(parents=True, exist_ok=True)

    def path_of(self, sha256: str) -> Path:
        """Where the blob lies or would lie; whether it exists is not asked."""
        if not _SHA256.fullmatch(sha256):
            raise BadModelFile(f"'{sha256}' is not a sha256 in lower-case hex.")
        return self._blobs / f"sha256-{sha256}"

    def holds(self, file: ModelFile) -> bool:
        """Is the blob there, with the right number of bytes? Its content is not read."""
        path = self.path_of(file.sha256)
        return path.is_file() and path.stat().st_size == file.size

    def put(self, path: Path, name: str, sha256: str) -> ModelFile:
        """Move the file at `path`, the model's file `name`, into the store.

        `sha256` is what `sha256_of` has just found there, and `path` lies on
        the store's own disk (see `partial`).
        """
        with path.open("rb") as file:
            os.fsync(file.fileno())
        size = path.stat().st_size
        path.chmod(0o444)
        path.replace(self.path_of(sha256))
        flush_folder(self._blobs)
        return ModelFile(name=name, sha256=sha256, size=size)

    def verify(self, file: ModelFile, progress: Callable[[int], None] | None = None) -> None:
        """Read the blob of `file` again. Raises DigestMismatch naming the file that changed."""
        path = self.path_of(file.sha256)
        if not path.is_file():
            raise DigestMismatch(
                f"{file.name} is missing from the store ({path}).", hint="Pull the model again."
            )
        found = sha256_of(path, progress)
        if found != file.sha256:
            raise DigestMismatch(
                f"{file.name} is damaged: {path} now has sha256 {found}.",
                hint="Pull the model again, and have the disk checked.",
            )

    def delete(self, sha256: str) -> int:
        """Remove a blob; returns the bytes freed, 0 when it was gone already."""
        path = self.path_of(sha256)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        return size

    def partial(self, key: str) -> Path:
        """The folder in which the pull of `key` gathers its files, on the store's own disk."""
        folder = self._partial / hashlib.sha256(key.encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        return folder

    def discard_partial(self, key: str) -> None:
        shutil.rmtree(self.partial(key))
