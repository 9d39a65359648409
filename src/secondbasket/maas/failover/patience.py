"""How long an answer may take to begin, and may then stand still."""

import asyncio
from collections.abc import AsyncGenerator

from secondbasket.core.chat import Chunk


class Patience:
    """Waits for the chunks of one attempt; made and used by one task.

    Only waiting counts, not what a slow reader takes between two chunks, and
    only content ends a wait: a stream of nothing is standing still too. There
    is one timer for all waits: a time-out per chunk would cost more than the
    chunk does.
    """

    __slots__ = ("_between", "_left", "_loop", "_rung", "_since", "_task", "_timer", "limit")

    def __init__(self, *, first: float, between: float) -> None:
        self.limit = first
        self._between = between
        self._left = first
        self._since: float | None = None
        self._rung = False
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None

    async def next(self, chunks: AsyncGenerator[Chunk, None]) -> Chunk:
        """The next chunk. Raises TimeoutError once `limit` seconds have brought no content."""
        since = self._since = self._loop.time()
        due = since + self._left
        if self._timer is None or self._timer.when() > due:
            self._arm(due)
        cancelling = self._task.cancelling() if self._task else 0
        try:
            chunk = await anext(chunks)
        except asyncio.CancelledError:
            if self._rung and self._task and self._task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._since = None
        self._left -= self._loop.time() - since
        return chunk

    def content(self) -> None:
        """Something of the answer came: from here on it may only stand still."""
        self._left = self.limit = self._between

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, due: float) -> None:
        self.close()
        self._timer = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        """The timer may be early: it was set when content last came later than expected now."""
        self._timer = None
        if self._since is None:
            return
        due = self._since + self._left
        if due > self._loop.time():
            self._arm(due)
        elif self._task is not None:
            self._rung = True
            self._task.cancel()
