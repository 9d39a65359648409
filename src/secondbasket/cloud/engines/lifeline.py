"""How an engine's child process begins, and how it is sure to end with its parent.

Two lines hold it, because each can break alone. Standard input is a pipe whose
other end the parent holds: it closes however the parent dies, on every system,
unless the parent forked somebody who inherited that end. The kernel's
parent-death signal does not care who inherited what, but only Linux has it.
"""

import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any

_PR_SET_PDEATHSIG = 1
_STANDARD_INPUT = 0
_BLOCK = 64 * 1024


def begin() -> dict[str, Any]:
    """The configuration, one line of JSON on standard input; the lifelines are tied on return.

    Its ``parent`` is the process id of who starts us. A process whose parent
    is already gone ends here.
    """
    document = bytearray()
    while not document.endswith(b"\n"):
        block = os.read(_STANDARD_INPUT, _BLOCK)
        if not block:
            sys.exit("standard input closed before the configuration was whole")
        document += block
    configuration: dict[str, Any] = json.loads(document)
    _end_with(configuration["parent"])
    threading.Thread(target=_watch_standard_input, name="lifeline", daemon=True).start()
    return configuration


def _end_with(parent: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # A parent that died before the signal was asked for will never cause it.
    if os.getppid() != parent:
        sys.exit("the process that started this engine is gone")


def _watch_standard_input() -> None:
    while os.read(_STANDARD_INPUT, _BLOCK):
        pass
    # Nothing to tidy up, and native threads may hold locks: leave without finalisers.
    os._exit(0)


def announce(port: int) -> None:
    """Tell the parent that requests are answered at `port` on loopback."""
    os.write(1, b"ready %d\n" % port)
