"""What a tool notes of a call in the task's folder, to know after a crash how far it came."""

from typing import TypeVar

import msgspec

from secondbasket.apps.tools.folder import Folder, mark_name
from secondbasket.errors import ToolFailed

T = TypeVar("T")

_LARGEST = 256 * 1024


def read_mark(folder: Folder, key: str, kind: type[T]) -> T | None:
    """The mark of the call `key`, None where there is none that can be read."""
    try:
        content, size = folder.read(mark_name(key), limit=_LARGEST)
    except ToolFailed:
        return None
    try:
        return msgspec.json.decode(content, type=kind) if size <= _LARGEST else None
    except msgspec.MsgspecError:
        return None


def write_mark(folder: Folder, key: str, mark: object) -> None:
    """Note `mark` for the call `key`; it is on the disk on return. Raises ToolFailed."""
    folder.replace(mark_name(key), msgspec.json.encode(mark), key=key)
