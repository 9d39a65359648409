"""GET /v1/tasks/{task}/events: a task as it goes on, until its end, as server-sent events."""

import anyio
import msgspec

from secondbasket.core.key import Key
from secondbasket.core.task import ENDED
from secondbasket.errors import Conflict, InvalidRequest, KeyRevoked
from secondbasket.server.asgi import ClientGone, header
from secondbasket.server.presence import Presence
from secondbasket.server.tasks.door import TaskRoute, task_of
from secondbasket.server.tasks.ports import TaskPorts
from secondbasket.server.wire_route import Exchange

_PACE_SECONDS = 0.5
_SILENCE_SECONDS = 15.0
_MOST_STREAMS = 64
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class TaskEvents(TaskRoute):
    """Each new entry of the log as `step`, whose id is its position; the task as `task` whenever
    it changed. Ends with the task, and as soon as the key is good no more."""

    method = "GET"

    def __init__(self, ports: TaskPorts) -> None:
        super().__init__(ports)
        self._open = 0

    async def answer(self, key: Key, exchange: Exchange) -> None:
        start = _after(header(exchange.scope, b"last-event-id"))
        await self.ports.board.show(key, task_of(exchange))
        if self._open >= _MOST_STREAMS:
            raise Conflict(
                f"{_MOST_STREAMS} tasks are followed at a time.", hint="Try again in a moment."
            )
        self._open += 1
        left = anyio.Event()
        try:
            with Presence(exchange.receive, left.set):
                await self._follow(key, exchange, start, left)
        finally:
            self._open -= 1

    async def _follow(self, key: Key, exchange: Exchange, position: int, left: anyio.Event) -> None:
        told, silent = b"", 0.0
        await exchange.send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        while not left.is_set():
            asker = self.ports.key_of(key.id)
            if asker is None:
                raise KeyRevoked("This API key is good no more.", hint="Ask for a new one.")
            shown = await self.ports.board.show(asker, task_of(exchange))
            events = [
                _event(b"step", msgspec.json.encode(each), b"id: %d\n" % each.position)
                for each in shown.steps
                if each.position >= position
            ]
            position = max(position, len(shown.steps))
            task = msgspec.json.encode(shown.task)
            if task != told:
                events.append(_event(b"task", task))
                told = task
            ended = shown.task.state in ENDED
            if events or ended or silent >= _SILENCE_SECONDS:
                # A comment now and then: whoever is in between keeps the connection.
                await self.send_part(exchange, b"".join(events) or b": \n\n", more=not ended)
                silent = 0.0
            if ended:
                return
            with anyio.move_on_after(_PACE_SECONDS):
                await left.wait()
            silent += _PACE_SECONDS
        raise ClientGone


def _event(name: bytes, data: bytes, head: bytes = b"") -> bytes:
    return head + b"event: " + name + b"\ndata: " + data + b"\n\n"


def _after(last: str | None) -> int:
    if last is None:
        return 0
    if not last.isdecimal() or len(last) > 9:
        raise InvalidRequest("'Last-Event-ID' is the position of a step.", param="Last-Event-ID")
    return int(last) + 1
