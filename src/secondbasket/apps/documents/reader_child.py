"""Reads one document where it harms nobody: a child process of its own, with little to spend.

The file is standard input, the suffix of its name the only argument. Passages
go to standard output, one JSON array a line; the last line is the object that
says what kind it was, or why it could not be read.
"""

import importlib
import logging
import os
import resource
import sys
import warnings
from collections.abc import Iterator
from typing import IO, Any

import msgspec

from secondbasket.apps.documents.block import Block, passages
from secondbasket.apps.documents.kinds import Kind, kind_of
from secondbasket.errors import DocumentError

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 60
MOST_LETTERS = 16 << 20
_MOST_NESTED = 3
_FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system")
# openpyxl would load it to know its numbers, of which a file has none.
_NOT_NEEDED = ("numpy",)


class End(msgspec.Struct, frozen=True, omit_defaults=True):
    """`kind` of what was read; `problem` and `hint` where it was not."""

    kind: str = ""
    problem: str = ""
    hint: str = ""


def read(file: IO[bytes], kind: Kind, nested: int = 0) -> Iterator[Block]:
    """The blocks of `file`; what it is attached to or unpacked from counts in `nested`."""
    # Only the reader of this kind is loaded: each of their libraries weighs tens of megabytes.
    module = importlib.import_module(f"secondbasket.apps.documents.readers.{kind}")

    def inner(attached: IO[bytes], suffix: str) -> Iterator[Block]:
        if nested == _MOST_NESTED:
            raise DocumentError("It lies in too many others.")
        return read(attached, kind_of(attached, suffix), nested + 1)

    blocks: Iterator[Block] = module.blocks(file, inner) if kind == "mail" else module.blocks(file)
    return blocks


def _write(file: IO[bytes], suffix: str, out: IO[bytes]) -> End:
    kind = kind_of(file, suffix)
    letters = 0
    for block in read(file, kind):
        for passage in passages(block):
            letters += len(passage.text)
            if letters > MOST_LETTERS:
                raise DocumentError(
                    f"It holds more than {MOST_LETTERS:,} letters of text.", hint="Split it."
                )
            line = (passage.place, passage.heading, passage.text)
            out.write(msgspec.json.encode(line) + b"\n")
    if not letters:
        raise DocumentError(
            "It holds no text.", hint="Where its pages are pictures, have their text recognised."
        )
    return End(kind)


def _forbid(event: str, _arguments: tuple[Any, ...]) -> None:
    """No library has a reason to leave this process, whatever a document asks of it."""
    if event.startswith(_FORBIDDEN):
        raise PermissionError(event)


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sys.addaudithook(_forbid)


def main() -> None:
    _confine()
    for name in _NOT_NEEDED:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails
    warnings.simplefilter("ignore")
    logging.disable()
    out = sys.stdout.buffer
    try:
        with open(0, "rb", closefd=False) as file:
            file.seek(0)  # who opened it has read it for its digest
            end = _write(file, sys.argv[1], out)
    except DocumentError as error:
        end = End(problem=error.message, hint=error.hint)
    except (MemoryError, RecursionError):
        end = End(problem="It takes too much memory to read.", hint="Split it.")
    # Process edge: what libraries raise of broken files has no common root.
    except Exception as exc:  # noqa: BLE001 - as told above
        end = End(problem=f"It is broken ({type(exc).__name__}: {str(exc)[:200]}).")
    out.write(msgspec.json.encode(end) + b"\n")
    out.flush()
    os._exit(0)  # there is nothing to tidy up, and large documents take long to


if __name__ == "__main__":
    main()
