"""The moments of a drill as lines of JSON, while it runs."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from secondbasket.errors import BasketError
from secondbasket.maas.drills.drills import Running
from secondbasket.server.console.desk import NDJSON, told
from secondbasket.server.presence import Presence


class MomentStream(Response):
    """All moments from the first on, then a last line: that the report is there, or the error.

    The drill goes on whoever follows it. `may_see` is asked before every line:
    who may not any more sees nothing further.
    """

    def __init__(
        self, running: Running, *, may_see: Callable[[], bool], stall_seconds: float
    ) -> None:
        super().__init__(media_type=NDJSON)
        del self.headers["content-length"]
        self._running = running
        self._may_see = may_see
        self._stall_seconds = stall_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with (
            anyio.CancelScope() as following,
            Presence(receive, following.cancel),
            suppress(TimeoutError),
        ):
            await self._relay(send)

    async def _relay(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for moment in self._running.follow():
            if not self._may_see():
                break
            await self._write(send, {"moment": moment})
        else:
            await self._write(send, self._end())
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _end(self) -> dict[str, Any]:
        try:
            self._running.result()
        except BasketError as error:
            return {"error": told(error)}
        return {"ended": True}

    async def _write(self, send: Send, line: dict[str, Any]) -> None:
        with anyio.fail_after(self._stall_seconds):
            body = msgspec.json.encode(line) + b"\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})
