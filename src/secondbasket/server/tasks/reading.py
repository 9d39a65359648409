"""GET /v1/tasks, /v1/tasks/{task}, /v1/tasks/{task}/deliverables/{name}"""

import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import anyio
import msgspec

from secondbasket.apps.tasks.board import Shown
from secondbasket.core.key import Key
from secondbasket.core.task import Task
from secondbasket.errors import InvalidRequest, NotFound
from secondbasket.server.asgi import reply
from secondbasket.server.task_states import states_of
from secondbasket.server.tasks.door import TaskRoute, query_of, task_of
from secondbasket.server.wire_route import Exchange

_MOST_ROWS = 500
_BLOCK = 256 * 1024


class TaskPage(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks, newest first; where there are more, they are `before` the last of these."""

    object: str = "list"
    data: Sequence[Task]
    has_more: bool


class ListTasks(TaskRoute):
    """?worker=, ?state= (several), ?limit=, ?before=TASK"""

    method = "GET"

    async def answer(self, key: Key, exchange: Exchange) -> None:
        query = query_of(exchange.scope)
        limit = _limit(query.get("limit", ["50"])[-1])
        tasks = await self.ports.board.list(
            key,
            worker=query.get("worker", [""])[-1],
            states=states_of(query.get("state", [])),
            before=query.get("before", [""])[-1],
            limit=limit + 1,
        )
        page = TaskPage(data=tasks[:limit], has_more=len(tasks) > limit)
        await reply(exchange.send, 200, msgspec.json.encode(page))


class ShowTask(TaskRoute):
    """Everything there is to know of one; its deliverables by their names."""

    method = "GET"

    async def answer(self, key: Key, exchange: Exchange) -> None:
        shown = await self.ports.board.show(key, task_of(exchange))
        await reply(exchange.send, 200, encode_shown(shown))


class Deliverable(TaskRoute):
    """A file that a task made, to be saved and never shown: whoever wrote it, a page of this
    server it is not."""

    method = "GET"

    async def answer(self, key: Key, exchange: Exchange) -> None:
        name = exchange.scope["path_params"]["name"]
        path = await self.ports.board.deliverable(key, task_of(exchange), name)
        file = await anyio.to_thread.run_sync(_opened, path, name)
        try:
            await self._send(exchange, file, Path(name).name)
        finally:
            await anyio.to_thread.run_sync(file.close)

    async def _send(self, exchange: Exchange, file: BinaryIO, name: str) -> None:
        left = os.fstat(file.fileno()).st_size
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(left).encode()),
            (b"content-disposition", f"attachment; filename*=UTF-8''{quote(name)}".encode()),
            (b"content-security-policy", b"sandbox; default-src 'none'"),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
        ]
        await exchange.send({"type": "http.response.start", "status": 200, "headers": headers})
        more = True
        while more:
            block = await anyio.to_thread.run_sync(file.read, min(_BLOCK, left))
            left -= len(block)
            more = bool(block) and left > 0
            await self.send_part(exchange, block, more=more)


def encode_shown(shown: Shown) -> bytes:
    """As `basket task show --json` tells it, but for paths on this machine."""
    told = msgspec.structs.asdict(shown.task) | {
        "steps": shown.steps,
        "effects": shown.effects,
        "approvals": shown.approvals,
    }
    return msgspec.json.encode(told)


def _limit(given: str) -> int:
    if not given.isdecimal() or not 0 < int(given) <= _MOST_ROWS:
        raise InvalidRequest(f"'limit' is a number from 1 to {_MOST_ROWS}.", param="limit")
    return int(given)


def _opened(path: Path, name: str) -> BinaryIO:
    try:
        # Whether it lies in the task's folder was looked at; it may not have become a link since.
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except OSError as exc:
        raise NotFound(f"The file '{name[:200]}' is not there any more.") from exc
