"""Asks a child process whether a pattern matches or a schema accepts, and survives the asking."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import msgspec
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from secondbasket.errors import BasketError

# Isolated, by its file: it needs nothing of this process, its environment least of all.
_COMMAND = (sys.executable, "-I", str(Path(__file__).with_name("examiner_child.py")))
# The child ends itself well before; the rest is its start and a busy machine.
_SECONDS = 30.0
_GRACE_SECONDS = 1.0
_LONGEST_ANSWER = 64 * 1024


class CannotTell(BasketError):
    """What was asked takes too long or too much: neither yes nor no."""

    code = "cannot_tell"
    status = 422


class Examiner:
    """One child, started with the first question and anew after one that it did not survive.

    The answers are empty for yes, and say why not. Questions are asked one
    after the other. Used as ``async with``.
    """

    def __init__(self) -> None:
        self._asking = anyio.Lock()
        self._child: Process | None = None
        self._answers: BufferedByteReceiveStream | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self._end()

    async def match(self, pattern: str, text: str, *, ignore_case: bool) -> str:
        """Does `pattern` match somewhere in `text`? Raises CannotTell."""
        question = {"ask": "match", "pattern": pattern, "text": text, "ignore_case": ignore_case}
        return await self._ask(question, "the pattern")

    async def validate(self, schema: Mapping[str, Any], instance: object) -> str:
        """Does `schema` accept `instance`? Raises CannotTell."""
        question = {"ask": "validate", "schema": schema, "instance": instance}
        return await self._ask(question, "the schema")

    async def check_schema(self, schema: Mapping[str, Any]) -> str:
        """Is `schema` a JSON Schema? Raises CannotTell."""
        return await self._ask({"ask": "schema", "schema": schema}, "the schema")

    async def _ask(self, question: Mapping[str, Any], about: str) -> str:
        line = msgspec.json.encode(question) + b"\n"
        async with self._asking:
            try:
                with anyio.fail_after(_SECONDS):
                    return msgspec.json.decode(await self._answer(line), type=str)
            except (
                anyio.EndOfStream,
                anyio.IncompleteRead,
                anyio.BrokenResourceError,
                TimeoutError,
            ) as exc:
                await self._end()
                raise CannotTell(
                    f"It cannot be told: {about} takes too long or too much memory here."
                ) from exc
            except BaseException:
                # An answer that still comes would be taken for that to the next question.
                with anyio.CancelScope(shield=True):
                    await self._end()
                raise

    async def _answer(self, line: bytes) -> bytes:
        if self._child is None or self._answers is None:
            self._child = await anyio.open_process(
                _COMMAND,
                stderr=subprocess.DEVNULL,
                env={},
                start_new_session=True,  # Ctrl-C is for us
            )
            assert self._child.stdout is not None
            self._answers = BufferedByteReceiveStream(self._child.stdout)
        assert self._child.stdin is not None
        await self._child.stdin.send(line)
        return await self._answers.receive_until(b"\n", _LONGEST_ANSWER)

    async def _end(self) -> None:
        """It ends once nothing is asked any more; who does not is ended."""
        child, self._child, self._answers = self._child, None, None
        if child is None:
            return
        assert child.stdin is not None
        await child.stdin.aclose()
        with anyio.move_on_after(_GRACE_SECONDS):
            await child.wait()
        if child.returncode is None:
            child.kill()
        await child.aclose()
