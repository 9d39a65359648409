"""Has a child process read a document, and survives whatever the document does to it."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import IO

import anyio
import msgspec
from anyio.abc import Process

from secondbasket.core.document import Passage
from secondbasket.errors import DocumentError, StoreError

# Isolated, and without our environment: it holds the providers' keys.
_COMMAND = (sys.executable, "-I", "-B", "-m", "secondbasket.apps.documents.reader_child")
_SECONDS = 150.0  # it has 60 of the processor, and the machine may be busy
_MOST_BYTES = 128 << 20  # its own bound on letters, each of which may be written as six bytes


class _End(msgspec.Struct, frozen=True):
    kind: str = ""
    problem: str = ""
    hint: str = ""


_line = msgspec.json.Decoder(tuple[str, str, str] | _End)


class Reading(msgspec.Struct, frozen=True):
    """What kind a document was, and all its passages in order."""

    kind: str
    passages: Sequence[Passage]


async def read(file: IO[bytes], source: str) -> Reading:
    """The passages of `file`, which is open at its beginning; `source` names it in errors.

    Raises DocumentError: empty, encrypted, broken, too large, of no known kind.
    """
    try:
        child = await anyio.open_process(
            [*_COMMAND, PurePath(source).suffix.lower()],
            stdin=file,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,  # Ctrl-C is for us
        )
    except OSError as exc:
        raise StoreError(f"The process that reads documents failed: {exc.strerror}.") from exc
    try:
        with anyio.fail_after(_SECONDS):
            end, passages = await _take(child)
    except (TimeoutError, msgspec.DecodeError) as exc:
        raise _gave_up(source) from exc
    finally:
        with anyio.CancelScope(shield=True):
            with suppress(ProcessLookupError):
                child.kill()
            await child.aclose()
    if end is None:
        raise _gave_up(source)
    if end.problem:
        raise DocumentError(f"{source} cannot be read. {end.problem}", hint=end.hint)
    return Reading(end.kind, passages)


async def _take(child: Process) -> tuple[_End | None, Sequence[Passage]]:
    """What it wrote; no end where it died, or wrote more than it may."""
    assert child.stdout is not None
    passages: list[Passage] = []
    taken, rest = 0, b""
    async for block in child.stdout:
        taken += len(block)
        if taken > _MOST_BYTES:
            return None, ()
        *lines, rest = (rest + block).split(b"\n")
        for each in map(_line.decode, lines):
            if isinstance(each, _End):
                return each, passages
            passages.append(Passage(*each))
    return None, ()


def _gave_up(source: str) -> DocumentError:
    return DocumentError(
        f"{source} cannot be read. It takes too much time or memory.",
        hint="Split it, where it is what it says it is.",
    )
