"""Signing in a process of its own, which ends once it has signed.

The server so does without the library's 9 MB, and never holds the private key.
Run as ``python -m secondbasket.ledger.signing_process KEYFILE``: it reads one
JSON object (`kind`, `document`) from standard input, or nothing where the key
has only to be drawn, and writes the signed document, or why there is none.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import msgspec

from secondbasket.errors import StoreError
from secondbasket.ledger.signing_key import SigningKey

_SECONDS = 60.0
_MODULE = "secondbasket.ledger.signing_process"


class _Order(msgspec.Struct, frozen=True):
    kind: str
    document: dict[str, Any]


class _Done(msgspec.Struct, frozen=True, omit_defaults=True):
    """`document` is what was signed; `problem` and `hint` say why nothing was."""

    document: dict[str, Any] | None = None
    problem: str = ""
    hint: str = ""


class SigningProcess:
    """Signs with the key in `file`. What cannot be done raises StoreError."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def draw(self) -> None:
        """See that the key is there, its public half beside it."""
        await self._run(b"")

    async def sign(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """`document` as a signed one of `kind`."""
        done = await self._run(msgspec.json.encode(_Order(kind, dict(document))))
        if done.document is None:
            raise _failed("it signed nothing")
        return done.document

    async def _run(self, order: bytes) -> _Done:
        try:
            with anyio.fail_after(_SECONDS):
                child = await anyio.run_process(
                    [sys.executable, "-I", "-m", _MODULE, str(self._file)],
                    input=order,
                    check=False,
                    start_new_session=True,  # Ctrl-C is for the server, whose last head it may be
                )
        except TimeoutError as exc:
            raise _failed(f"it took longer than {_SECONDS:.0f} s") from exc
        except OSError as exc:
            raise _failed(str(exc.strerror)) from exc
        try:
            done = msgspec.json.decode(child.stdout, type=_Done)
        except msgspec.DecodeError as exc:
            told = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise _failed(told or f"it ended with {child.returncode}") from exc
        if done.problem:
            raise StoreError(done.problem, hint=done.hint)
        return done


def _failed(reason: str) -> StoreError:
    return StoreError(
        f"The process that signs for the ledger failed: {reason}.",
        hint="The log may say more; `basket ledger head` tries again.",
    )


def main() -> None:
    key = SigningKey(Path(sys.argv[1]))
    order = sys.stdin.buffer.read()
    try:
        signer = key.signer()
        done = _Done()
        if order:
            wanted = msgspec.json.decode(order, type=_Order)
            done = _Done(signer.sign_document(wanted.kind, wanted.document))
    except StoreError as error:
        done = _Done(problem=error.message, hint=error.hint)
    sys.stdout.buffer.write(msgspec.json.encode(done))


if __name__ == "__main__":
    main()
