"""The first process in a sandbox: starts what is to run, watches all of it, and tells how it ended.

It is process 1 of the sandbox, so nothing in there can end it, nothing outlives
it, and what loses its parent becomes its child. It cannot be looked into or
steered by the others either. Started by its file, it needs nothing of ours: one
JSON object in on standard input, one out on standard output.

The kernel bounds each process. What all of them use together is looked at
twenty times a second, and one who runs as root is bounded in their number by
that alone: the kernel lets root have as many as it likes.
"""

import ctypes
import json
import os
import resource
import selectors
import signal
import sys
import time
from pathlib import Path
from typing import Any

_PR_SET_DUMPABLE = 4
_LOOK_SECONDS = 0.05
_FOLDER_SECONDS = 1.0
_BLOCK = 64 * 1024
_MOST_DRAINED = 64
_HEAD, _TAIL = 24 * 1024, 8 * 1024
_MIB = 1024 * 1024
_RESERVE = 1024 * _MIB
_PROGRAM = Path("/tmp/program.py")  # noqa: S108 - nobody else is in here
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Kept:
    """The beginning and the end of what was written; the middle is counted only."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self.size = 0

    def add(self, block: bytes) -> None:
        self.size += len(block)
        room = _HEAD - len(self._head)
        self._head += block[:room]
        self._tail += block[room:]
        del self._tail[:-_TAIL]

    def text(self) -> str:
        left_out = self.size - len(self._head) - len(self._tail)
        told = f"\n[{left_out} bytes left out]\n".encode() if left_out else b""
        return (self._head + told + self._tail).decode(errors="replace")


class Watch:
    """The limits of a run, and which of them it is over."""

    def __init__(self, limits: dict[str, Any], folder: str) -> None:
        self._limits = limits
        self._folder = folder
        self._ends = time.monotonic() + limits["seconds"]
        self._next = 0.0
        self._next_folder = time.monotonic() + _FOLDER_SECONDS
        self._free = _free(folder)

    def over(self) -> str:
        """'time', 'memory', 'processes', 'folder', or '' where nothing is exceeded."""
        now = time.monotonic()
        if now > self._ends:
            return "time"
        if now < self._next:
            return ""
        self._next = now + _LOOK_SECONDS
        count, used = _processes()
        if count > self._limits["processes"]:
            return "processes"
        if used > self._limits["memory_mib"] * _MIB:
            return "memory"
        if now > self._next_folder:
            self._next_folder = now + _FOLDER_SECONDS
            return self.folder()
        return ""

    def folder(self) -> str:
        """'folder' where it holds too much, or too many, or what cannot be counted.

        Files that are open and have no name any more only the disk knows of: what
        they take counts once there is little left.
        """
        left = [self._folder]
        files, size = 0, 0
        most = self._limits["folder_mib"] * _MIB
        free = _free(self._folder)
        if free < _RESERVE and self._free - free > most:
            return "folder"
        while left:
            try:
                with os.scandir(left.pop()) as listed:
                    for each in listed:
                        files += 1
                        size += each.stat(follow_symlinks=False).st_blocks * 512
                        if files > self._limits["files"]:
                            return "folder"
                        if each.is_dir(follow_symlinks=False):
                            left.append(each.path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # it went while it was looked at
            except OSError:
                return "folder"  # closed to us, or too deep to be named
        return "folder" if size > most else ""


def _free(folder: str) -> int:
    """Bytes that are left on the disk that `folder` lies on."""
    about = os.statvfs(folder)
    return about.f_bavail * about.f_frsize


def _processes() -> tuple[int, int]:
    """How many there are but for this one, and the bytes of memory that are theirs alone."""
    count, pages = 0, 0
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or process.name == "1":
            continue
        count += 1
        try:
            _, resident, shared, *_ = (process / "statm").read_text(encoding="ascii").split()
        except (OSError, ValueError):
            continue
        pages += int(resident) - int(shared)
    return count, pages * _PAGE


def _start(command: list[str], folder: str, limits: dict[str, Any]) -> tuple[int, int, int]:
    """The new process, and the read ends of its output and its errors."""
    output, output_end = os.pipe()
    errors, errors_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output_end, 1)
            os.dup2(errors_end, 2)
            os.chdir(folder)
            _limit(limits)
            os.execv(command[0], command)  # noqa: S606 - it has to become it
        except OSError as exc:
            os.write(2, f"{command[0]} cannot be started: {exc.strerror}\n".encode())
        finally:
            os._exit(127)
    os.close(output_end)
    os.close(errors_end)
    return pid, output, errors


def _limit(limits: dict[str, Any]) -> None:
    """What the kernel holds each process to. Address space is more than memory that is used."""
    seconds = int(limits["seconds"]) + 1
    most = {
        resource.RLIMIT_AS: 4 * limits["memory_mib"] * _MIB,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: limits["file_mib"] * _MIB,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
    }
    release = os.uname().release.split("-")[0].split(".")
    if tuple(map(int, release[:2])) >= (5, 14):  # before, it counted those outside as well
        most[resource.RLIMIT_NPROC] = limits["processes"]
    for which, amount in most.items():
        resource.setrlimit(which, (amount, amount))


def _reap(pid: int) -> int | None:
    """The exit status of `pid`, minus the signal that ended it; None while it runs."""
    while True:
        try:
            found, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if found == 0:
            return None
        if found == pid:
            return os.waitstatus_to_exitcode(status)


def run(order: dict[str, Any]) -> dict[str, Any]:
    """How it ended: 'exited', or the limit that it was over; its status and what it wrote."""
    if order["program"]:
        _PROGRAM.write_text(order["program"], encoding="utf-8")
    folder = order["folder"]
    pid, output, errors = _start(order["command"], folder, order["limits"])
    watch = Watch(order["limits"], folder)
    kept = {output: Kept(), errors: Kept()}
    ended, status = "", None
    with selectors.DefaultSelector() as selector:
        for pipe in kept:
            os.set_blocking(pipe, False)
            selector.register(pipe, selectors.EVENT_READ)
        while not ended:
            if selector.get_map():
                _read(selector, kept, _LOOK_SECONDS)
            else:
                time.sleep(_LOOK_SECONDS)
            status = _reap(pid)
            ended = "exited" if status is not None else watch.over()
        for _ in range(_MOST_DRAINED):  # who outlives it may hold the pipes, and write for ever
            if not selector.get_map() or not _read(selector, kept, 0):
                break
    if ended == "exited":
        ended = watch.folder() or ended
    return {
        "ended": ended,
        "status": status,
        "output": kept[output].text(),
        "errors": kept[errors].text(),
    }


def _read(selector: selectors.BaseSelector, kept: dict[int, Kept], wait: float) -> bool:
    """A block of each pipe that has one; False where none has."""
    ready = selector.select(wait)
    for key, _ in ready:
        pipe = key.fd
        block = os.read(pipe, _BLOCK)
        if block:
            kept[pipe].add(block)
        else:
            selector.unregister(pipe)
    return bool(ready)


def main() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        sys.exit("this process could be looked into")
    told = run(json.loads(sys.stdin.buffer.read()))
    sys.stdout.write(json.dumps(told))
    sys.stdout.flush()
    os._exit(0)  # the kernel ends all others now


if __name__ == "__main__":
    main()
