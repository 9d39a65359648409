"""Is the client still there? Noticed without a task for calls that answer at once."""

import asyncio
from types import TracebackType
from typing import Self

import anyio
from starlette.types import Receive

_GRACE_SECONDS = 0.05


class Presence:
    """Cancels what runs inside ``async with`` when the client disconnects.

    ASGI tells of a disconnect only to whoever waits in `receive`. A call that
    answers within 50 ms never starts that wait. `left` says afterwards
    whether the client went away. The request's body must have been read.
    """

    def __init__(self, receive: Receive) -> None:
        self.left = False
        self._receive = receive
        self._scope = anyio.CancelScope()
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._scope.__enter__()
        self._timer = asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._start)
        return self

    def _start(self) -> None:
        self._watch = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self._scope.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        return bool(self._scope.__exit__(kind, error, trace))
