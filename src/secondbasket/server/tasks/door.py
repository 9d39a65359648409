"""The routes of this door: a bearer key, and errors in the form of the OpenAI wire."""

from typing import TypeVar
from urllib.parse import parse_qs

import anyio
import msgspec
from starlette.types import Scope

from secondbasket.errors import InvalidRequest
from secondbasket.server.asgi import ClientGone, read_body
from secondbasket.server.bearer_route import BearerRoute
from secondbasket.server.tasks.ports import TaskPorts
from secondbasket.server.wire_route import Exchange

_MOST_QUERY_FIELDS = 100

Words = TypeVar("Words", bound=msgspec.Struct)


class TaskRoute(BearerRoute):
    """One route of the task board. What is another key's is NotFound, as if it were not there."""

    def __init__(self, ports: TaskPorts) -> None:
        super().__init__(ports)
        self.ports = ports

    async def body(self, exchange: Exchange, words: type[Words]) -> Words:
        """The JSON that was sent; no body stands for no fields. Raises InvalidRequest."""
        limit = self.ports.max_body_bytes
        sent = await read_body(exchange.scope, exchange.receive, limit=limit)
        return read_words(sent or b"{}", words)

    async def send_part(self, exchange: Exchange, part: bytes, *, more: bool) -> None:
        """Raises ClientGone where nobody takes it."""
        try:
            with anyio.fail_after(self.ports.stall_seconds):
                await exchange.send({"type": "http.response.body", "body": part, "more_body": more})
        except TimeoutError as exc:
            raise ClientGone from exc


def read_words(sent: bytes, words: type[Words]) -> Words:
    """Raises InvalidRequest that names the field."""
    try:
        return msgspec.json.decode(sent, type=words)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise InvalidRequest(
            f"The body cannot be used: {exc}.", hint="docs/tasks-api.md shows what it takes."
        ) from exc


def query_of(scope: Scope) -> dict[str, list[str]]:
    """What stands behind '?'. Raises InvalidRequest."""
    try:
        return parse_qs(
            scope["query_string"].decode("latin-1"),
            keep_blank_values=True,
            max_num_fields=_MOST_QUERY_FIELDS,
        )
    except ValueError as exc:
        raise InvalidRequest(f"There is too much behind '?': {exc}.") from exc


def task_of(exchange: Exchange) -> str:
    """The task that the path names."""
    name: str = exchange.scope["path_params"]["task"]
    return name
