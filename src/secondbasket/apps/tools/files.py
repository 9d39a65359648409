"""Files in the task's own folder: list, read, write, append."""

import codecs
import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from anyio import to_thread

from secondbasket.apps.tools.folder import Folder, Name, parse
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.marks import read_mark, write_mark
from secondbasket.apps.tools.options import read_options, refused
from secondbasket.core.ports import Tool
from secondbasket.core.tool import Citation, NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.errors import OutcomeUnknown, ToolFailed

_MOST_LISTED = 500
_LARGEST_PIECE = 48 * 1024
_PATH = {
    "type": "string",
    "minLength": 1,
    "description": "A file's name in the task's folder, such as 'notes/first.txt'.",
}


class FileOptions(msgspec.Struct, frozen=True, kw_only=True):
    """``[tools.files]``. `largest_bytes` is how much one file that is written may hold."""

    largest_bytes: int = 8 * 1024 * 1024


class _Appended(msgspec.Struct, frozen=True):
    """The mark of an append: what the file held before it, and after."""

    before: str
    after: str


class ListFiles:
    """`files.list`. Names may come from others, as files do."""

    facts = ToolFacts(
        name="files.list",
        description=f"List the files of this task, at most {_MOST_LISTED}, with their sizes.",
        parameters={"type": "object", "properties": {}, "additionalProperties": False},
        effect="read",
        from_outside=True,
        limit_seconds=30.0,
    )

    async def call(self, call: ToolCall) -> ToolOutcome:
        entries, more = await to_thread.run_sync(Folder(call.folder).entries, _MOST_LISTED)
        lines = [f"{entry.name} ({entry.size} bytes)" for entry in entries]
        if more:
            lines.append(f"[cut: there are more than {_MOST_LISTED}]")
        return ToolOutcome(
            text="\n".join(lines) or "There are no files yet.",
            data={
                "files": [{"path": entry.name, "bytes": entry.size} for entry in entries],
                "cut": more,
            },
        )

    async def reconcile(self, call: ToolCall) -> NeverHappened:  # noqa: ARG002 - the port's
        return NeverHappened()


class ReadFile:
    """`files.read`: a piece of a text file. What it holds, others may have written."""

    facts = ToolFacts(
        name="files.read",
        description="Read a text file of this task, at most"
        f" {_LARGEST_PIECE} bytes at a time; it says at which offset to read on.",
        parameters={
            "type": "object",
            "properties": {
                "path": _PATH,
                "offset": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "The byte to begin at; 0 when left out.",
                },
            },
            "required": ["path"],
            "additionalProperties": False,
        },
        effect="read",
        from_outside=True,
        limit_seconds=30.0,
    )

    async def call(self, call: ToolCall) -> ToolOutcome:
        name, start = parse(call.arguments["path"]), int(call.arguments.get("offset", 0))
        content, size = await to_thread.run_sync(
            partial(Folder(call.folder).read, name, start=start, limit=_LARGEST_PIECE)
        )
        told = "/".join(name)
        if start and start >= size:
            raise ToolFailed(
                f"'{told}' has {size} bytes: nothing is left at offset {start}.",
                hint="Begin at 0.",
            )
        text, used = _as_text(content, told, ends=start + len(content) >= size)
        after = start + used
        if start == 0:
            text = text.removeprefix("\ufeff")
        rest = f"\n[cut: {size} bytes in all; read on at offset {after}]" if after < size else ""
        return ToolOutcome(
            text=(text + rest) or f"'{told}' is empty.",
            data={
                "path": told,
                "text": text,
                "bytes": size,
                "next_offset": after if after < size else None,
            },
            citations=(Citation(source=told, place=f"bytes {start} to {after}"),),
        )

    async def reconcile(self, call: ToolCall) -> NeverHappened:  # noqa: ARG002 - the port's
        return NeverHappened()


class WriteFile:
    """`files.write`. Twice the same is once: nothing needs to be noted for it."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.facts = ToolFacts(
            name="files.write",
            description="Write a text file of this task, replacing it where it exists,"
            f" at most {largest} bytes.",
            parameters=_writing("The whole text of the file."),
            effect="write",
            confined=True,
            takes_key=True,
            limit_seconds=30.0,
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        name, content = _given(call, self._largest)
        await to_thread.run_sync(partial(Folder(call.folder).replace, name, content, key=call.key))
        return _written(name, len(content))

    async def reconcile(self, call: ToolCall) -> ToolOutcome | NeverHappened:
        """Whether the file holds what was to be written."""
        name, content = _given(call, self._largest)
        try:
            found, size = await to_thread.run_sync(
                partial(Folder(call.folder).read, name, limit=len(content))
            )
        except ToolFailed:
            return NeverHappened()
        same = size == len(content) and found == content
        return _written(name, size) if same else NeverHappened()


class AppendFile:
    """`files.append`. The call's mark says what the file held before and after it."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.facts = ToolFacts(
            name="files.append",
            description="Add text to the end of a file of this task, which is made where it is"
            f" missing and may grow to {largest} bytes.",
            parameters=_writing("The text to add."),
            effect="write",
            confined=True,
            takes_key=True,
            limit_seconds=30.0,
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        return await to_thread.run_sync(self._append, call)

    async def reconcile(self, call: ToolCall) -> ToolOutcome | NeverHappened | None:
        return await to_thread.run_sync(self._came_of, call)

    def _append(self, call: ToolCall) -> ToolOutcome:
        name, content = _given(call, self._largest)
        folder = Folder(call.folder)
        before = self._held(folder, name)
        known = self._came_of(call)
        if isinstance(known, ToolOutcome):
            return known
        if known is None:
            raise OutcomeUnknown(
                f"'{'/'.join(name)}' was changed since text was to be added to it.",
                hint="Look at the file: the text may stand in it.",
            )
        after = before + content
        if len(after) > self._largest:
            raise ToolFailed(
                f"'{'/'.join(name)}' would grow to {len(after)} bytes;"
                f" {self._largest} are allowed.",
                hint="Go on in another file.",
            )
        write_mark(folder, call.key, _Appended(_digest(before), _digest(after)))
        folder.replace(name, after, key=call.key)
        return _written(name, len(after))

    def _came_of(self, call: ToolCall) -> ToolOutcome | NeverHappened | None:
        name, _ = _given(call, self._largest)
        folder = Folder(call.folder)
        mark = read_mark(folder, call.key, _Appended)
        if mark is None:
            return NeverHappened()
        held = self._held(folder, name)
        if _digest(held) == mark.after:
            return _written(name, len(held))
        return NeverHappened() if _digest(held) == mark.before else None

    def _held(self, folder: Folder, name: Name) -> bytes:
        try:
            content, size = folder.read(name, limit=self._largest + 1)
        except ToolFailed as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return b""
            raise
        if size > self._largest:
            raise ToolFailed(
                f"'{'/'.join(name)}' has {size} bytes; {self._largest} are allowed.",
                hint="Go on in another file.",
            )
        return content


def create(ground: ToolGround) -> Sequence[Tool]:
    """The family. Raises SettingsError."""
    options = read_options("files", ground.settings, FileOptions)
    if not 0 < options.largest_bytes <= 256 * 1024 * 1024:
        raise refused("tools.files.largest_bytes", "it must be between 1 and 256 MiB")
    largest = options.largest_bytes
    return ListFiles(), ReadFile(), WriteFile(largest), AppendFile(largest)


def _writing(what: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "path": _PATH,
            "content": {"type": "string", "description": what},
        },
        "required": ["path", "content"],
        "additionalProperties": False,
    }


def _given(call: ToolCall, largest: int) -> tuple[Name, bytes]:
    name = parse(call.arguments["path"])
    try:
        content = str(call.arguments["content"]).encode()
    except UnicodeEncodeError as exc:
        raise ToolFailed("The content has half of a surrogate pair in it.") from exc
    if len(content) > largest:
        raise ToolFailed(
            f"The content has {len(content)} bytes; {largest} are allowed.",
            hint="Write it as several files.",
        )
    return name, content


def _written(name: Name, size: int) -> ToolOutcome:
    told = "/".join(name)
    return ToolOutcome(
        text=f"'{told}' now has {size} bytes.",
        data={"path": told, "bytes": size},
        files=(told,),
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _as_text(content: bytes, told: str, *, ends: bool) -> tuple[str, int]:
    """The text, and of how many bytes: a character that the piece cuts in two is left out."""
    if b"\0" in content:
        raise ToolFailed(
            f"'{told}' is no text file.",
            hint="Documents are read by the documents tools, other formats by python.run.",
        )
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(content, final=ends)
        return text, len(content) - len(decoder.getstate()[0])
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), len(content)
