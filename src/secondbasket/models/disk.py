"""Room on the disk: asked for before writing, and told plainly when it runs out."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secondbasket.errors import NotEnoughDisk

# The ledger usually shares the disk with the models, and a stack that cannot
# write its ledger cannot answer: a pull leaves this much to everybody else.
RESERVE = 64 * 1024 * 1024

_FULL = {errno.ENOSPC, errno.EDQUOT}


def require_room(folder: Path, needed: int) -> None:
    """Raise NotEnoughDisk unless `folder`'s disk holds `needed` more bytes and the reserve."""
    free = shutil.disk_usage(folder).free
    if needed + RESERVE > free:
        raise NotEnoughDisk(
            f"{needed / 1e6:,.0f} MB are needed in {folder}, and {free / 1e6:,.0f} MB are free "
            f"({RESERVE / 1e6:,.0f} MB of them stay reserved).",
            hint="Free some space, remove a model with 'basket model rm', "
            "or move SECONDBASKET_HOME to a larger disk.",
        )


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk or an exhausted quota into NotEnoughDisk."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        raise NotEnoughDisk(
            f"The disk of {folder} is full.",
            hint="Free some space and run the command again; what can be resumed is kept.",
        ) from exc
