"""Runs a server's command, and sees that nothing of it outlives whoever started us.

Run by its file, with nothing but the standard library: ``keeper.py PARENT
PROGRAM ARGUMENT…``, in a process group of its own that the program and
whatever it starts are in. The kernel tells us that our parent has died, however
that came about, and we end the whole group; so we do once the program has
ended. Standard input and output are the program's own.
"""

import ctypes
import os
import signal
import sys
from types import FrameType

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    signal.signal(signal.SIGTERM, _end)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != int(parent):
        sys.exit("the process that started this server is gone")
    try:
        program = os.posix_spawnp(command[0], command, os.environ)
    except OSError as exc:
        sys.exit(f"{command[0]} cannot be run: {exc.strerror}")
    # The program's alone: when it closes them, the other end has to see it.
    os.close(0)
    os.close(1)
    _, status = os.waitpid(program, 0)
    told = f"the server ended with status {os.waitstatus_to_exitcode(status)}\n"
    os.write(2, told.encode())
    _end()


def _end(_signal: int = 0, _frame: FrameType | None = None) -> None:
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
