"""The four tools of this door: what they take, and what they answer."""

import base64
import codecs
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from secondbasket.core.key import Key
from secondbasket.errors import InvalidRequest
from secondbasket.server.mcp.ports import DeliverablePart, Order, TaskCard, TaskDesk

_MOST_BYTES = 256 * 1024
_LONGEST_TEXT = 100_000
_LARGEST_FILE = 1 << 50


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No arguments."""


class Delegation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `delegate_task`."""

    worker: str
    text: str
    data_class: str | None = None
    deadline: str | None = None
    key: str | None = None


class TaskName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `task_status`."""

    task: str


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `read_deliverable`."""

    task: str
    name: str
    offset: int = 0


class DoorTool(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` makes a tool's result of a desk, a key and the arguments."""

    name: str
    description: str
    arguments: type[msgspec.Struct]
    properties: Mapping[str, Any]
    required: tuple[str, ...] = ()
    reads_only: bool
    answer: Callable[[TaskDesk, Key, Any], Awaitable[dict[str, Any]]]

    def listed(self) -> dict[str, Any]:
        """As `tools/list` tells of it."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": dict(self.properties),
            "additionalProperties": False,
        }
        if self.required:
            schema["required"] = list(self.required)
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": schema,
            "annotations": {
                "readOnlyHint": self.reads_only,
                "destructiveHint": False,
                "openWorldHint": not self.reads_only,
            },
        }

    def read(self, given: object) -> msgspec.Struct:
        """The arguments. Raises InvalidRequest that says which is wrong."""
        try:
            return msgspec.convert(given, type=self.arguments)
        except msgspec.ValidationError as exc:
            raise InvalidRequest(
                f"The arguments of {self.name} cannot be used: {exc}.",
                hint=f"It takes: {', '.join(self.properties) or 'none'}.",
            ) from exc


def structured(value: Mapping[str, Any]) -> dict[str, Any]:
    """A result for programs, and the same as text for models."""
    text = msgspec.json.encode(value).decode()
    return {"content": [{"type": "text", "text": text}], "structuredContent": value}


async def _list_workers(desk: TaskDesk, key: Key, _nothing: Nothing) -> dict[str, Any]:
    return structured({"workers": msgspec.to_builtins(await desk.workers(key))})


async def _delegate(desk: TaskDesk, key: Key, asked: Delegation) -> dict[str, Any]:
    if not asked.text.strip():
        raise InvalidRequest("There is nothing in 'text' to do.", hint="Say what is wanted.")
    if len(asked.text) > _LONGEST_TEXT:
        raise InvalidRequest(
            f"'text' has more than {_LONGEST_TEXT} characters.",
            hint="Put the material where the worker finds it, and say where.",
        )
    order = Order(
        worker=asked.worker,
        text=asked.text,
        data_class=asked.data_class,
        deadline=asked.deadline,
        key=asked.key,
    )
    return _task(await desk.delegate(key, order))


async def _status(desk: TaskDesk, key: Key, asked: TaskName) -> dict[str, Any]:
    return _task(await desk.task(key, asked.task))


async def _read(desk: TaskDesk, key: Key, asked: Reading) -> dict[str, Any]:
    if not 0 <= asked.offset < _LARGEST_FILE:
        raise InvalidRequest("'offset' is no place in a file.", hint="Begin at 0.")
    part = await desk.deliverable(
        key, asked.task, asked.name, offset=asked.offset, limit=_MOST_BYTES
    )
    return _part(asked, part)


def _task(card: TaskCard) -> dict[str, Any]:
    return structured(msgspec.to_builtins(card))


def _part(asked: Reading, part: DeliverablePart) -> dict[str, Any]:
    """Text as text, anything else as a blob; where more follows, from which offset on."""
    text, used = _text_of(part.data, whole=asked.offset + len(part.data) >= part.card.size)
    end = asked.offset + used
    about = {
        "task": asked.task,
        "name": part.card.name,
        "media_type": part.card.media_type,
        "size": part.card.size,
        "offset": asked.offset,
        "next_offset": end if end < part.card.size else None,
    }
    if text is not None:
        content: dict[str, Any] = {"type": "text", "text": text}
    else:
        content = {
            "type": "resource",
            "resource": {
                "uri": f"basket://tasks/{asked.task}/{part.card.name}",
                "mimeType": part.card.media_type,
                "blob": base64.b64encode(part.data).decode(),
            },
        }
    return {"content": [content], "structuredContent": about}


def _text_of(data: bytes, *, whole: bool) -> tuple[str | None, int]:
    """UTF-8 text and how many bytes it takes: a letter that is cut is left for the next part."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(data, final=whole)
    except UnicodeDecodeError:
        return None, len(data)
    held, _ = decoder.getstate()
    if "\0" in text or (held and len(held) == len(data)):
        return None, len(data)
    return text, len(data) - len(held)


_TASK = {"type": "string", "description": "The task's id, as delegate_task told it."}

TOOLS: Mapping[str, DoorTool] = {
    tool.name: tool
    for tool in (
        DoorTool(
            name="list_workers",
            description="The workers that tasks can be delegated to, and what each is for.",
            arguments=Nothing,
            properties={},
            reads_only=True,
            answer=_list_workers,
        ),
        DoorTool(
            name="delegate_task",
            description="Delegate a task to a worker. It is done in its own time: ask task_status"
            " later.",
            arguments=Delegation,
            properties={
                "worker": {"type": "string", "description": "One of list_workers."},
                "text": {
                    "type": "string",
                    "description": "What is to be done, and how one sees that it is.",
                },
                "data_class": {
                    "type": "string",
                    "description": "How far the text may travel: public, internal, confidential"
                    " or secret.",
                },
                "deadline": {"type": "string", "description": "Until when, RFC 3339."},
                "key": {
                    "type": "string",
                    "description": "A word of your own: the same task sent again under it is not"
                    " done twice.",
                },
            },
            required=("worker", "text"),
            reads_only=False,
            answer=_delegate,
        ),
        DoorTool(
            name="task_status",
            description="How a task stands, and the files that it has delivered.",
            arguments=TaskName,
            properties={"task": _TASK},
            required=("task",),
            reads_only=True,
            answer=_status,
        ),
        DoorTool(
            name="read_deliverable",
            description="A file that a task delivered; a long one in parts, from next_offset on.",
            arguments=Reading,
            properties={
                "task": _TASK,
                "name": {"type": "string", "description": "One of the task's deliverables."},
                "offset": {"type": "integer", "minimum": 0, "description": "Byte to begin at."},
            },
            required=("task", "name"),
            reads_only=True,
            answer=_read,
        ),
    )
}
