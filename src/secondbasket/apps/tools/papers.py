"""Tools over the papers that were handed over with a task: read one, and find its fields."""

import tempfile
from collections.abc import Sequence
from functools import partial
from typing import IO

import msgspec
from anyio import to_thread

from secondbasket.apps.documents.reader import read
from secondbasket.apps.tools.folder import Folder, parse
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.paper_fields import fields_of
from secondbasket.core.document import Passage
from secondbasket.core.ports import Tool
from secondbasket.core.tool import Citation, NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.errors import DocumentError, ToolFailed

_LARGEST = 64 * 1024 * 1024
_LONGEST = 60_000
_FIELDS = ("kind", "number", "date", "total", "currency")


def create(ground: ToolGround) -> Sequence[Tool]:  # noqa: ARG001 - it needs nothing of the house
    return (ReadPaper(), PaperFields())


class ReadPaper:
    """`papers.read`: a paper of any kind that documents have, as text with its places."""

    facts = ToolFacts(
        name="papers.read",
        description="Read a PDF, Word, Excel, PowerPoint, HTML, Markdown, mail or text file of this"
        " task.",
        parameters={
            "type": "object",
            "properties": {"path": {"type": "string", "minLength": 1, "maxLength": 1000}},
            "required": ["path"],
            "additionalProperties": False,
        },
        effect="read",
        from_outside=True,
        limit_seconds=180.0,
    )

    async def call(self, call: ToolCall) -> ToolOutcome:
        name = parse(call.arguments["path"])
        told = "/".join(name)
        with tempfile.TemporaryFile() as copy:
            await to_thread.run_sync(partial(_copy, Folder(call.folder), name, copy))
            try:
                reading = await read(copy, told)
            except DocumentError as error:
                raise ToolFailed(error.message, hint=error.hint) from error
        text = _text(reading.passages)
        places = list(dict.fromkeys(each.place for each in reading.passages if each.place))
        return ToolOutcome(
            text=text[:_LONGEST],
            data={"path": told, "kind": reading.kind, "text": text[:_LONGEST], "places": places},
            from_outside=True,
            citations=[
                Citation(source=told, place=each.place, text=each.text[:300])
                for each in reading.passages[:20]
            ],
        )

    async def reconcile(self, call: ToolCall) -> NeverHappened:  # noqa: ARG002 - the port's
        return NeverHappened()


class PaperFields:
    """`papers.fields`: what code finds in a text; a model would guess."""

    facts = ToolFacts(
        name="papers.fields",
        description="Find the kind, number, dates, amounts and total of a business paper in its"
        " text.",
        parameters={
            "type": "object",
            "properties": {"text": {"type": "string", "maxLength": _LONGEST}},
            "required": ["text"],
            "additionalProperties": False,
        },
        effect="read",
        limit_seconds=10.0,
    )

    async def call(self, call: ToolCall) -> ToolOutcome:
        fields = await to_thread.run_sync(fields_of, call.arguments["text"])
        told = [f"{name}: {value}" for name in _FIELDS if (value := getattr(fields, name))]
        return ToolOutcome(
            text=", ".join(told) or "Nothing was found.", data=msgspec.to_builtins(fields)
        )

    async def reconcile(self, call: ToolCall) -> NeverHappened:  # noqa: ARG002 - the port's
        return NeverHappened()


def _text(passages: Sequence[Passage]) -> str:
    """All of it as one text, each heading once above what it stands over."""
    lines, heading = [], ""
    for each in passages:
        if each.heading != heading:
            heading = each.heading
            lines.append(heading)
        lines.append(each.text)
    return "\n".join(line for line in lines if line)


def _copy(folder: Folder, name: tuple[str, ...], into: IO[bytes]) -> None:
    content, size = folder.read(name, limit=_LARGEST)
    if size > _LARGEST:
        raise ToolFailed(f"'{'/'.join(name)}' is larger than 64 MiB.", hint="Split it.")
    into.write(content)
    into.seek(0)
