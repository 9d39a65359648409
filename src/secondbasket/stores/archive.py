"""A home in one file: a tar whose last entry lists the sha256 of all others.

The last entry is written when everything before it is, so a file that was cut
short has none and is refused as a whole.
"""

import hashlib
import io
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import msgspec

from secondbasket.core.clock import now
from secondbasket.errors import Conflict, NotEnoughDisk, StoreError
from secondbasket.stores.home import Home

CONTENTS = "contents.json"
_FORMAT = 1
_LARGEST_CONTENTS = 64 * 1024 * 1024
_BLOCK = 1024 * 1024
_DATABASE = "secondbasket.db"
_BLOBS = "models/blobs/sha256-"

# Nothing else leaves a home, and nothing else is brought into one. The blobs come last: all
# that a person would miss stands before them.
_KINDS = (
    r"basket\.toml",
    r"secrets/[A-Za-z0-9_-][A-Za-z0-9._-]*",
    r"journal/[A-Za-z0-9_-][A-Za-z0-9._-]*",
    r"secondbasket\.db",
    r"drills/drill_[a-z0-9]+\.(json|html)",
    r"workers/[a-z0-9][a-z0-9-]*\.md",
    r"tasks/task_[a-z0-9]+(/(?!\.{1,2}(/|$))[^/\x00-\x1f\\]+)+",
    r"models/manifests/[a-z0-9][a-z0-9._-]*\.json",
    rf"{_BLOBS}[0-9a-f]{{64}}",
)
_ALLOWED = re.compile("|".join(_KINDS))

# What a restored home takes from the archive alone. Blobs stay: their names say what they hold.
_REPLACED = (
    "basket.toml",
    "secrets",
    "journal",
    _DATABASE,
    f"{_DATABASE}-wal",
    f"{_DATABASE}-shm",
    "drills",
    "workers",
    "tasks",
    # How far runs had come belongs to the database that was: tasks go on from their own log.
    "runs.db",
    "models/manifests",
)


class Contents(msgspec.Struct, frozen=True):
    """The last entry of an archive. `files` maps each name to the sha256 (hex) of its bytes."""

    format: int
    version: str
    made_at: str
    files: Mapping[str, str]


def write_archive(
    home: Home, target: Path, *, version: str, database: bool, models: bool
) -> Contents:
    """Write the home into `target`, mode 0600; a running server need not stop.

    `database` takes the SQLite file along (a copy of one moment), `models` the
    weights. Raises StoreError, and leaves no half file behind.
    """
    draft = target.with_name(f".{target.name}.draft")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
                sums = {
                    name: _add(tar, name, content)
                    for name, content in _contents_of(home, database=database, models=models)
                }
                contents = Contents(_FORMAT, version, now(), sums)
                _add(tar, CONTENTS, io.BytesIO(msgspec.json.encode(contents)))
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except (OSError, sqlite3.Error) as exc:
        raise StoreError(
            f"The backup {target} could not be written: {exc}.",
            hint="Choose a disk with room, and a folder you may write.",
        ) from exc
    return contents


def _contents_of(home: Home, *, database: bool, models: bool) -> Iterator[tuple[str, IO[bytes]]]:
    """(name, open file), in an order that loses nothing a server writes meanwhile.

    The journal before the database: an entry that leaves the journal while we
    copy is in the database by then, and one that is in both is folded once.
    """
    if home.settings_file.is_file():
        yield from _open(home, [home.settings_file])
    yield from _open(home, home.secrets.iterdir())
    # A report is there before the ledger tells of it: whoever has it has that entry too.
    yield from _open(home, home.drills.glob("*"))
    yield from _open(home, home.workers.glob("*.md"))
    yield from _open(home, _files_below(home.tasks))
    yield from _open(home, home.journal.iterdir())
    if database and home.database_file.is_file():
        with _copy_of(home.database_file, home.backups) as copy, copy.open("rb") as file:
            yield _DATABASE, file
    yield from _open(home, home.manifests.glob("*.json"))
    if models:
        yield from _open(home, (home.models / "blobs").glob("sha256-*"))


def _files_below(folder: Path) -> Iterator[Path]:
    """Every file below `folder`; a link is none, since a worker's program may have made it."""
    for where, _, names in os.walk(folder, followlinks=False):
        paths = (Path(where) / name for name in names)
        yield from (path for path in paths if path.is_file() and not path.is_symlink())


def _open(home: Home, paths: Iterable[Path]) -> Iterator[tuple[str, IO[bytes]]]:
    for path in sorted(paths):
        name = path.relative_to(home.root).as_posix()
        if not _ALLOWED.fullmatch(name):
            continue
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # a journal segment that has just been folded
        with file:
            yield name, file


@contextmanager
def _copy_of(database: Path, folder: Path) -> Iterator[Path]:
    """A copy of the SQLite file as it was at one moment, while others go on writing."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".copy-") as draft:
        copy = Path(draft) / _DATABASE
        with (
            closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        yield copy


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes]) -> str:
    """Add `content` as it is now (a growing file is cut where it ends now); its sha256."""
    entry = tarfile.TarInfo(name)
    entry.size = content.seek(0, os.SEEK_END)
    entry.mode = 0o600
    content.seek(0)
    hashing = _Hashing(content, entry.size)
    tar.addfile(entry, hashing)
    return hashing.hexdigest()


class _Hashing(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, content: IO[bytes], size: int) -> None:
        self._content = content
        self._left = size
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._content.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        self._hash.update(block)
        return block

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def read_archive(home: Home, source: Path, *, force: bool) -> tuple[Contents, Path | None]:
    """Bring the archive `source` into `home`, whose lock the caller holds.

    Everything is unpacked and checked before anything of the home changes.
    With `force`, what the home held is kept in a folder, which is returned.
    Raises StoreError for an archive that is damaged or not one of ours,
    Conflict for a home that is not empty, NotEnoughDisk.
    """
    held = [name for name in _REPLACED if _holds_something(home.root / name)]
    if held and not force:
        raise Conflict(
            f"The home {home.root} is not empty: it has {', '.join(held)}.",
            hint="Restore into another SECONDBASKET_HOME, or use --force: what is here is then"
            " kept aside.",
        )
    try:
        with tempfile.TemporaryDirectory(dir=home.root, prefix=".restore-") as draft:
            contents = _unpack(source, Path(draft))
            aside = _set_aside(home, held) if held else None
            _move_in(Path(draft), home.root)
    except (OSError, tarfile.TarError) as exc:
        raise StoreError(
            f"{source} could not be restored: {exc}.", hint="Check the file, and the disk's room."
        ) from exc
    return contents, aside


def _holds_something(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _unpack(source: Path, into: Path) -> Contents:
    sums: dict[str, str] = {}
    left = _room_for(source, into)
    contents: Contents | None = None
    with tarfile.open(source, mode="r|") as tar:
        for entry in tar:
            file = tar.extractfile(entry) if entry.isreg() else None
            if file is None or contents is not None or entry.name in sums:
                raise _damaged(source, f"it holds '{entry.name[:100]}' where no such entry belongs")
            if entry.issparse():
                raise _damaged(source, f"'{entry.name[:100]}' has holes")
            left -= entry.size
            if left < 0:
                raise _damaged(source, "what it lists is larger than the file")
            if entry.name == CONTENTS:
                contents = _read_contents(source, file.read(_LARGEST_CONTENTS))
            elif _ALLOWED.fullmatch(entry.name):
                sums[entry.name] = _write(file, into / entry.name)
                if entry.name.startswith(_BLOBS) and entry.name != _BLOBS + sums[entry.name]:
                    raise _damaged(source, f"'{entry.name}' holds other bytes than its name says")
            else:
                raise _damaged(source, f"'{entry.name[:100]}' does not belong into a home")
    if contents is None:
        raise _damaged(source, "it ends too early")
    for name in sums.keys() | contents.files.keys():
        if sums.get(name) != contents.files.get(name):
            raise _damaged(source, f"'{name}' is not what was backed up")
    return contents


def _room_for(source: Path, into: Path) -> int:
    """The size of `source`, which is the most that it can unpack to. Raises NotEnoughDisk."""
    needed = source.stat().st_size
    free = shutil.disk_usage(into).free
    if needed > free:
        raise NotEnoughDisk(
            f"{source} needs {needed / 1e6:,.0f} MB in {into.parent}, and {free / 1e6:,.0f} MB are"
            " free.",
            hint="Free some space, or restore into a SECONDBASKET_HOME on a larger disk.",
        )
    return needed


def _read_contents(source: Path, text: bytes) -> Contents:
    try:
        contents = msgspec.json.decode(text, type=Contents)
    except msgspec.MsgspecError as exc:
        raise _damaged(source, f"its list of contents is wrong ({exc})") from exc
    if contents.format != _FORMAT:
        raise StoreError(
            f"{source} was made by Second Basket {contents.version}, in a newer form.",
            hint="Restore it with that version.",
        )
    return contents


def _write(content: IO[bytes], path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while block := content.read(_BLOCK):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _set_aside(home: Home, held: Iterable[str]) -> Path:
    aside = Path(tempfile.mkdtemp(dir=home.backups, prefix=f"before-restore-{now()[:10]}-"))
    for name in held:
        (aside / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home.root / name).rename(aside / name)
    return aside


def _move_in(draft: Path, root: Path) -> None:
    for path in sorted(each for each in draft.rglob("*") if each.is_file()):
        target = root / path.relative_to(draft)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if target.parent.name == "blobs":
            if target.exists():
                continue  # the same bytes, and a server's engines may be reading them
            path.chmod(0o444)
        path.replace(target)


def _damaged(source: Path, reason: str) -> StoreError:
    return StoreError(f"{source} is not a whole backup: {reason}.", hint="Nothing was changed.")
