"""The home: the folder that holds all data, and who may use it.

::

    home/
      basket.toml        settings, written by its owner
      lock               held by the one process that uses the home
      run/admin.sock     the admin door, while a server runs
      secrets/           pepper of the key hashes; the local key; the key that signs
      secondbasket.db    keys, receipts, sums (unless PostgreSQL is configured)
      journal/           receipts on their way into the database
      models/            blobs, manifests, partial
      drills/            signed reports of drills, and their pages
      workers/           the home's own workers, a Markdown file each
      tasks/             a folder for each task: what was handed over, and what came of it
      runs.db            how far the runs of tasks have come
      tools/             what families of tools keep
      logs/  backups/
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from secondbasket.errors import HomeInUse, SettingsError


class _Holder(msgspec.Struct, frozen=True):
    pid: int
    command: str


class Home:
    """The paths under `root`. Folders and secrets are made for the owner alone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings_file = root / "basket.toml"
        self.lock_file = root / "lock"
        self.run = root / "run"
        self.admin_socket = self.run / "admin.sock"
        self.secrets = root / "secrets"
        self.local_key_file = self.secrets / "local.key"
        self.signing_key_file = self.secrets / "signing.pem"
        self.database_file = root / "secondbasket.db"
        self.journal = root / "journal"
        self.models = root / "models"
        self.manifests = self.models / "manifests"
        self.drills = root / "drills"
        self.tools = root / "tools"
        self.workers = root / "workers"
        self.tasks = root / "tasks"
        self.runs = root / "runs.db"
        self.logs = root / "logs"
        self.backups = root / "backups"

    def create(self) -> None:
        """Make the folders that are missing, mode 0700, and close the home to others.

        A folder that was there before and holds something else keeps its mode:
        it may have been named by mistake. Raises SettingsError.
        """
        folders = (
            *(self.run, self.secrets, self.journal, self.models),
            *(self.drills, self.workers, self.tasks, self.logs, self.backups),
        )
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._close_to_others()
            for folder in folders:
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            raise SettingsError(
                f"The home {self.root} cannot be used: {exc.strerror} ({exc.filename}).",
                hint="Set SECONDBASKET_HOME to a folder of your own.",
            ) from exc

    def _close_to_others(self) -> None:
        here = {path.name for path in self.root.iterdir()}
        if not here - {self.settings_file.name} or self.lock_file.name in here:
            self.root.chmod(0o700)

    @contextmanager
    def lock(self, command: str) -> Iterator[None]:
        """Hold the home for this process. Raises HomeInUse saying who has it.

        The lock ends with the process, however it ends: no stale file keeps
        anyone out. It does not pass to child processes.
        """
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise self._in_use() from exc
            os.ftruncate(descriptor, 0)
            os.write(descriptor, msgspec.json.encode(_Holder(os.getpid(), command)))
            yield
        finally:
            os.close(descriptor)

    def secret(self, name: str) -> bytes:
        """The 32 random bytes kept under `name`, drawn the first time they are asked for."""
        path = self.secrets / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            write_private(path, secrets.token_bytes(32))
            return path.read_bytes()

    def local_key(self) -> str | None:
        """The key that this machine's owner uses, None until `keep_local_key`."""
        try:
            return self.local_key_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None

    def keep_local_key(self, key: str) -> None:
        """Keep `key` as the local one, mode 0600."""
        write_private(self.local_key_file, f"{key}\n".encode("ascii"))

    def _in_use(self) -> HomeInUse:
        try:
            holder = msgspec.json.decode(self.lock_file.read_bytes(), type=_Holder)
            told = f"'{holder.command}' (process {holder.pid})"
        except msgspec.DecodeError:  # locked, but not yet written
            told = "a command that is just starting"
        return HomeInUse(
            f"The home {self.root} is in use by {told}.",
            hint="Stop it, or set SECONDBASKET_HOME to another folder.",
        )


def write_private(path: Path, content: bytes) -> None:
    """Put `content` at `path`, mode 0600 from its first byte, whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
