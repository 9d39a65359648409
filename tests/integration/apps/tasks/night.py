"""A process that works on tasks and dies at a named point: ``python -m … URL HOME POINT NTH``.

POINT names where, NTH at which passing of it; with '-' it works until nothing is left to do.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from secondbasket.apps.tasks.durable import Durable
from secondbasket.apps.tasks.effects import Effects
from secondbasket.apps.tasks.records import TaskRecords
from secondbasket.core.task import ENDED
from secondbasket.stores.database import Database
from tests.integration.apps.tasks.crews import ADMIN, Trace, office

POINTS = (
    "before the claim",
    "after the claim",
    "before the intent",
    "after the intent",
    "after the deed",
    "after the outcome",
    "before the entry",
    "after the entry",
    "after the step",
    "before the end",
    "after the end",
)


class Fuse:
    """Kills this process when `point` is passed for the `nth` time."""

    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._left = nth

    def pass_by(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: type, name: str, before: str, after: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.pass_by(before)
            result = await original(*args, **kwargs)
            self.pass_by(after)
            return result

        setattr(owner, name, wrapped)


async def main(url: str, home: Path, point: str, nth: int) -> None:
    fuse = Fuse(point, nth)
    fuse.around(TaskRecords, "claim", "before the claim", "after the claim")
    fuse.around(Effects, "intend", "before the intent", "after the intent")
    fuse.around(Trace, "call", "", "after the deed")
    fuse.around(Effects, "end", "", "after the outcome")
    fuse.around(TaskRecords, "append", "before the entry", "after the entry")
    fuse.around(Durable, "step", "", "after the step")
    fuse.around(TaskRecords, "settle", "before the end", "after the end")
    database = Database(url)
    tool = Trace("post.letter", home / "posted")
    async with office(database, home, [tool]) as place:
        while {e.state for e in await place.board.list(ADMIN, limit=1000)} - ENDED:  # noqa: ASYNC110 - a pace
            await anyio.sleep(0.1)
    database.close()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
