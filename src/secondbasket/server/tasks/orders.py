"""POST /v1/tasks: a task, as JSON, or as a form with its files."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Receive, Scope

from secondbasket.core.key import Key
from secondbasket.core.task import Order, Task
from secondbasket.errors import BodyTooLarge, Conflict, InvalidRequest
from secondbasket.server.asgi import JSON, ClientGone, header, reply
from secondbasket.server.tasks.door import TaskRoute
from secondbasket.server.uploads import laid_out
from secondbasket.server.wire_route import Exchange

_MOST_FILES = 200
_MOST_FIELDS = 100
_LONGEST_KEY = 255
_FILES = "file"
_SEVERAL = frozenset({"after"})


class NewTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for; `data_class` where it is more than the key's own."""

    text: str
    worker: str
    priority: int = 0
    deadline: str = ""
    after: Sequence[str] = ()
    data_class: str = ""
    baseline_minutes: float | None = None


class AddTask(TaskRoute):
    """The same body twice under one Idempotency-Key is one task."""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        scope = exchange.scope
        idempotency = _idempotency(scope)
        kind = (header(scope, b"content-type") or "").partition(";")[0].strip().lower()
        if kind != "multipart/form-data":
            wanted = await self.body(exchange, NewTask)
            task = await self._add(key, wanted, {}, idempotency)
        else:
            async with _form(scope, exchange.receive, self.ports.max_upload_bytes) as form:
                wanted, uploads = _read(form)
                async with laid_out(uploads) as files:
                    task = await self._add(key, wanted, files, idempotency)
        location = (b"location", f"/v1/tasks/{task.id}".encode())
        await reply(exchange.send, 201, msgspec.json.encode(task), [JSON, location])

    async def _add(
        self, key: Key, wanted: NewTask, files: Mapping[str, Path], idempotency: str
    ) -> Task:
        order = Order(
            text=wanted.text,
            worker=wanted.worker,
            priority=wanted.priority,
            deadline=wanted.deadline,
            after=wanted.after,
            data_class=wanted.data_class or key.data_class,
            baseline_minutes=wanted.baseline_minutes,
            key=f"api {idempotency}" if idempotency else "",
        )
        try:
            return await self.ports.board.add(key, order, files)
        except Conflict as exc:
            raise Conflict(exc.message, hint=exc.hint, param="Idempotency-Key") from exc


def _idempotency(scope: Scope) -> str:
    given = header(scope, b"idempotency-key")
    if given is None:
        return ""
    if not 0 < len(given.strip()) <= _LONGEST_KEY:
        raise InvalidRequest(
            f"An Idempotency-Key has 1 to {_LONGEST_KEY} characters.", param="Idempotency-Key"
        )
    return given.strip()


@asynccontextmanager
async def _form(scope: Scope, receive: Receive, limit: int) -> AsyncGenerator[FormData, None]:
    """The form, whose files lie on disk where they are large. Raises InvalidRequest."""
    parser = MultiPartParser(
        Headers(scope=scope),
        _blocks(scope, receive, limit),
        max_files=_MOST_FILES,
        max_fields=_MOST_FIELDS,
    )
    try:
        form = await parser.parse()
    except MultiPartException as exc:
        raise InvalidRequest(f"The form cannot be read: {exc.message}") from exc
    except KeyError as exc:
        raise InvalidRequest("The form's Content-Type names no boundary.") from exc
    try:
        yield form
    finally:
        await form.close()


async def _blocks(scope: Scope, receive: Receive, limit: int) -> AsyncGenerator[bytes, None]:
    if header(scope, b"content-encoding") not in (None, "identity"):
        raise InvalidRequest("Forms are read uncompressed.")
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        block, more = message.get("body", b""), message.get("more_body", False)
        size += len(block)
        if size > limit:
            raise BodyTooLarge(
                f"The form is larger than {limit} bytes.",
                hint="Send less, or raise workers.max_upload_bytes.",
            )
        yield block
    yield b""


def _read(form: FormData) -> tuple[NewTask, list[UploadFile]]:
    fields: dict[str, Any] = {}
    files: list[UploadFile] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != _FILES or not value.filename:
                raise InvalidRequest(f"Files come as '{_FILES}', each with a name.", param=_FILES)
            files.append(value)
        elif name in _SEVERAL:
            fields.setdefault(name, []).append(value)
        elif name in fields:
            raise InvalidRequest(f"'{name[:40]}' comes twice.", param=name[:40])
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, NewTask, strict=False), files
    except msgspec.ValidationError as exc:
        raise InvalidRequest(
            f"The form cannot be used: {exc}.", hint="docs/tasks-api.md shows what it takes."
        ) from exc
