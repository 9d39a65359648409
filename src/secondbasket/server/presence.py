"""Is the client still there? Noticed without a task for calls that answer at once."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from starlette.types import Receive

_GRACE_SECONDS = 0.05


class Presence:
    """Calls `on_left` when the client disconnects inside the block; `left` says that it did.

    ASGI tells of a disconnect only to whoever waits in `receive`. A call that
    answers within 50 ms never starts that wait. The request's body must have
    been read.
    """

    def __init__(self, receive: Receive, on_left: Callable[[], None]) -> None:
        self.left = False
        self._receive = receive
        self._on_left = on_left
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._start)
        return self

    def _start(self) -> None:
        self._watch = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self._on_left()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
