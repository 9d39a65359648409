"""Answers that take minutes: one JSON line for each step, and a last one with the result."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

import anyio
import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from secondbasket.core.ids import new_id
from secondbasket.errors import BasketError
from secondbasket.server.admin.door import unexpected
from secondbasket.server.admin.words import Step, failure
from secondbasket.server.presence import Presence

log = logging.getLogger(__name__)

_BACKLOG = 64

Progress = TypeVar("Progress")


class Steps(Response, Generic[Progress]):
    """Runs `work` and tells of it; a caller who goes away cancels it.

    `work` is handed who to tell its progress, `step` makes a line of it.
    """

    def __init__(
        self,
        work: Callable[[Callable[[Progress], None]], Awaitable[Step]],
        *,
        step: Callable[[Progress], Step],
    ) -> None:
        super().__init__(media_type="application/x-ndjson")
        del self.headers["content-length"]
        self._work = work
        self._step = step

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

        async def tell(step: Step, *, more: bool = True) -> None:
            line = msgspec.json.encode(step) + b"\n"
            await send({"type": "http.response.body", "body": line, "more_body": more})

        with anyio.CancelScope() as work, Presence(receive, work.cancel):
            await tell(await self._run(tell), more=False)

    async def _run(self, tell: Callable[[Step], Awaitable[None]]) -> Step:
        into, out_of = anyio.create_memory_object_stream[Progress](_BACKLOG)

        def report(progress: Progress) -> None:
            # A reader who is behind needs the later figures, not all of them.
            with suppress(anyio.WouldBlock):
                into.send_nowait(progress)

        async def forward() -> None:
            async with out_of:
                async for progress in out_of:
                    await tell(self._step(progress))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forward)
            with into:
                last = await self._finish(report)
        return last

    async def _finish(self, report: Callable[[Progress], None]) -> Step:
        try:
            return await self._work(report)
        except BasketError as error:
            return Step(error=failure(error))
        except Exception:
            reference = new_id("err")
            log.exception("unexpected error %s", reference)
            return Step(error=unexpected(reference))
