"""Programs that nobody has read, run where they can harm nothing but the task's own folder.

bubblewrap gives them namespaces of their own: no network, no other processes,
the system's programs read-only, and one folder to write in. Inside,
``sandbox_init.py`` watches what they use. There is no way to run them without.
"""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import anyio
import msgspec

from secondbasket.apps.tools.folder import INSIDE
from secondbasket.errors import OutcomeUnknown, ToolFailed

PACKAGES = "/opt/packages"
"""Where programs find the Python packages that are installed with us."""
PYTHON = os.path.realpath(sys.executable)
"""The interpreter of the programs: ours, without what is installed beside it."""

_INIT = "/run/sandbox_init.py"
_PROGRAMS = "/usr/bin:/bin:/usr/local/bin"
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
# Of /etc only what programs need to start at all: no users, no hosts, no keys.
_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "timezone")
_SCRATCH_BYTES = 64 * 1024 * 1024
_MOST_FILES = 10_000
_AFTER_SECONDS = 10.0

Ended = Literal["exited", "time", "memory", "processes", "folder"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one run may use: of time, of memory and disk in MiB, of processes at one moment."""

    seconds: float = 60.0
    memory_mib: int = 512
    processes: int = 64
    file_mib: int = 64
    folder_mib: int = 512


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended. `status` is its exit status, minus the signal that ended it, None where a
    limit did. `output` and `errors` hold the beginning and the end of what it wrote."""

    ended: Ended
    status: int | None
    output: str
    errors: str


class Bubblewrap:
    """Runs programs within `limits`."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._proving = anyio.Lock()
        self._proven = False

    async def prove(self, folder: Path) -> None:
        """See by a real run that there is a sandbox here. Raises ToolFailed saying what is missing.

        What was seen to work is not tried again.
        """
        async with self._proving:
            if not self._proven:
                ran = await self._run(folder, ("/bin/sh", "-c", "exit 42"))
                if ran is None or ran.status != 42:
                    raise _no_sandbox("a trial run went wrong")
                self._proven = True

    async def run(self, folder: Path, command: Sequence[str], *, program: str = "") -> Ran:
        """Run `command` in `folder`; `program` is what /tmp/program.py holds then.

        Raises ToolFailed where there is no sandbox, OutcomeUnknown where it broke.
        """
        await self.prove(folder)
        ran = await self._run(folder, command, program)
        if ran is None:
            raise OutcomeUnknown(
                "The sandbox ended without a word.",
                hint="Files of this task may have been written; look at them.",
            )
        return ran

    async def _run(self, folder: Path, command: Sequence[str], program: str = "") -> Ran | None:
        """None where the sandbox had nothing to say. Raises ToolFailed where it did not start."""
        bwrap = shutil.which("bwrap", path=_PROGRAMS)
        if bwrap is None:
            raise ToolFailed(
                "There is no sandbox: bubblewrap is not installed, and nothing runs without it.",
                hint="Your operator can run: apt-get install bubblewrap",
            )
        (folder / ".basket").mkdir(mode=0o700, exist_ok=True)  # hidden in there by an empty one
        limits = {**msgspec.structs.asdict(self.limits), "files": _MOST_FILES}
        order = {"command": command, "program": program, "folder": INSIDE, "limits": limits}
        try:
            # From memory, not through a pipe: that could break before we see why.
            with os.fdopen(os.memfd_create("order"), "w+b") as file:
                file.write(msgspec.json.encode(order))
                file.seek(0)
                with anyio.fail_after(self.limits.seconds + _AFTER_SECONDS):
                    done = await anyio.run_process(
                        [bwrap, *_arguments(folder)],
                        stdin=file,
                        check=False,
                        env={},
                        start_new_session=True,
                    )
        except TimeoutError:
            return None
        except OSError as exc:
            raise _no_sandbox(str(exc.strerror)) from exc
        if not done.stdout and done.returncode != 0:
            told = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            if told.startswith("bwrap:"):
                raise _no_sandbox(told[:300])
        try:
            return msgspec.json.decode(done.stdout, type=Ran)
        except msgspec.MsgspecError:
            return None


def _arguments(folder: Path) -> Iterator[str]:
    """What bubblewrap is told: later places lie over earlier ones."""
    yield from ("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent")
    yield from ("--new-session", "--as-pid-1", "--cap-drop", "ALL")
    yield from ("--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--clearenv")
    yield from ("--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", INSIDE)
    yield from ("--setenv", "LANG", "C.UTF-8")
    yield from ("--size", str(_SCRATCH_BYTES), "--tmpfs", "/tmp")  # noqa: S108 - the sandbox's own
    yield from ("--ro-bind", "/usr", "/usr")
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    base = os.path.realpath(sys.base_prefix)
    if not base.startswith("/usr"):
        yield from ("--ro-bind", base, base)
    yield from ("--ro-bind-try", sysconfig.get_path("purelib"), PACKAGES)
    yield from ("--proc", "/proc", "--dev", "/dev")
    shared = "/dev/shm"  # noqa: S108 - the sandbox's own
    yield from ("--size", str(_SCRATCH_BYTES), "--tmpfs", shared, "--remount-ro", "/dev")
    yield from ("--bind", str(folder), INSIDE)
    yield from ("--size", "4096", "--tmpfs", f"{INSIDE}/.basket")
    yield from ("--remount-ro", f"{INSIDE}/.basket")
    yield from ("--ro-bind", str(Path(__file__).with_name("sandbox_init.py")), _INIT)
    yield from ("--remount-ro", "/", "--chdir", INSIDE)
    yield from ("--", PYTHON, "-I", "-S", "-B", _INIT)


def _no_sandbox(why: str) -> ToolFailed:
    return ToolFailed(
        f"There is no sandbox here, and nothing runs without it: {why}.",
        hint="Your operator has to allow user namespaces (sysctl kernel.unprivileged_userns_clone,"
        " AppArmor, or the container's rules) and to have bubblewrap 0.8 or newer.",
    )
