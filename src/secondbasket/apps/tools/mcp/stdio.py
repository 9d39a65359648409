"""A server as a child process, spoken to over its standard input and output."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, Process

from secondbasket.apps.tools.mcp.transport import MOST_MESSAGE_BYTES, MOST_STRAY_MESSAGES
from secondbasket.cloud.log import EngineLog, Lines
from secondbasket.errors import OutcomeUnknown, ToolError, ToolFailed
from secondbasket.wires.mcp.messages import (
    METHOD_NOT_FOUND,
    Message,
    RpcFailure,
    answer,
    decode,
    encode,
    failure,
    notification,
)

_KEEPER = str(Path(__file__).with_name("keeper.py"))
_GRACE_SECONDS = 2.0
_CANCEL_SECONDS = 0.5
_LAST_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0


class StdioTransport:
    """Starts `command` when it is first needed, and again after it died, each time a little later.

    The command is the settings' own; nothing that is ever received becomes part
    of it. It runs in `folder` with `environment` and PATH, and nothing else of
    ours; what it writes on standard error goes to `log`.
    """

    def __init__(
        self,
        name: str,
        command: tuple[str, ...],
        *,
        environment: Mapping[str, str],
        path: str,
        folder: Path,
        log: Path,
    ) -> None:
        self._name = name
        self._command = command
        self._environment = {"PATH": path, **environment}
        self._folder = folder
        self._log = EngineLog(log)
        self._starting = anyio.Lock()
        self._child: _Child | None = None
        self._epoch = 0
        self._failures = 0
        self._not_before = 0.0

    @property
    def epoch(self) -> int:
        return self._epoch

    async def open(self) -> None:
        async with self._starting:
            if self._child is not None and self._child.alive:
                return
            await self._end()
            now = anyio.current_time()
            if now < self._not_before:
                raise ToolFailed(
                    f"The server '{self._name}' ended, and is started again in"
                    f" {self._not_before - now:.0f} s.",
                    hint=f"Its last words: {self._log.last_words() or 'none'}",
                )
            # A pause before the next start, from now on until it has answered something.
            self._not_before = now + min(
                _FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS
            )
            self._failures += 1
            self._child = await self._start()
            self._epoch += 1

    async def ask(
        self,
        request: Message,
        headers: Mapping[str, str],  # noqa: ARG002 - a pipe has none
    ) -> Message:
        child = self._child
        if child is None:
            raise ToolFailed(f"The server '{self._name}' does not run.")
        answered = await child.ask(request)
        self._failures, self._not_before = 0, 0.0
        return answered

    async def tell(
        self,
        note: Message,
        headers: Mapping[str, str],  # noqa: ARG002 - a pipe has none
    ) -> None:
        if self._child is not None:
            await self._child.send(note)

    async def aclose(self) -> None:
        async with self._starting:
            await self._end()
        self._log.close()

    async def _start(self) -> "_Child":
        self._log.begin()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Cancelled half-way, a child would run that nobody holds.
            with anyio.CancelScope(shield=True):
                process = await anyio.open_process(
                    [sys.executable, "-I", "-S", _KEEPER, str(os.getpid()), *self._command],
                    env=self._environment,
                    cwd=self._folder,
                    start_new_session=True,
                )
        except OSError as exc:
            raise ToolFailed(
                f"The server '{self._name}' cannot be started: {exc.strerror}.",
                hint=f"Its command is that of tools.mcp.servers.{self._name}.",
            ) from exc
        return _Child(self._name, process, self._log)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with anyio.CancelScope(shield=True):
                await child.end()


class _Waiting:
    """Somebody who waits for an answer, or for the reason why none will come."""

    def __init__(self) -> None:
        self.told = anyio.Event()
        self.answer: Message | None = None
        self.failure: ToolError | None = None


class _Child:
    """One running process, and who waits for what from it."""

    def __init__(self, name: str, process: Process, log: EngineLog) -> None:
        self._name = name
        self._process = process
        self._log = log
        self._waiting: dict[int, _Waiting] = {}
        self._strays = 0
        self.alive = True
        self._ears = [
            asyncio.create_task(self._hear_answers()),
            asyncio.create_task(self._hear_errors()),
        ]

    async def ask(self, request: Message) -> Message:
        assert isinstance(request.id, int)
        waiting = self._waiting[request.id] = _Waiting()
        try:
            await self.send(request)
            await waiting.told.wait()
        except anyio.get_cancelled_exc_class():
            await self._call_off(request.id)
            raise
        finally:
            del self._waiting[request.id]
        if waiting.answer is None:
            raise waiting.failure or OutcomeUnknown(f"The server '{self._name}' ended.")
        return waiting.answer

    async def send(self, message: Message) -> None:
        if not self.alive:
            raise ToolFailed(f"The server '{self._name}' has just ended.")
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send(encode(message) + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as exc:
            raise OutcomeUnknown(
                f"The server '{self._name}' ended while it was spoken to.",
                hint="Look there whether it acted.",
            ) from exc

    async def end(self) -> None:
        """Close its input, wait a little, and end it with whatever it started."""
        assert self._process.stdin is not None
        with suppress(anyio.BrokenResourceError, OSError):
            await self._process.stdin.aclose()
        if self.alive:
            with anyio.move_on_after(_GRACE_SECONDS):
                await self._process.wait()
        self._kill()
        await self._process.wait()
        # Not before the pipes are let go of at the other end: what still waits to be written is
        # then given up, and the pipe closed.
        await asyncio.wait(self._ears, timeout=_LAST_SECONDS)
        for ear in self._ears:
            ear.cancel()
        await asyncio.gather(*self._ears, return_exceptions=True)
        await self._process.aclose()

    async def _call_off(self, number: int) -> None:
        """Nobody waits any more: say so, if the other end still listens."""
        note = notification(
            "notifications/cancelled", {"requestId": number, "reason": "nobody waits any more"}
        )
        with anyio.move_on_after(_CANCEL_SECONDS, shield=True), suppress(ToolError):
            await self.send(note)

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _hear_answers(self) -> None:
        assert self._process.stdout is not None
        why = f"The server '{self._name}' ended before it answered."
        try:
            await self._read_lines(self._process.stdout)
        except OutcomeUnknown as exc:
            why = f"The server '{self._name}' was ended: {exc.message}"
        finally:
            self.alive = False
            self._kill()
            last = self._log.last_words()
            hint = f"Its last words: {last}" if last else ""
            for waiting in self._waiting.values():
                waiting.failure = OutcomeUnknown(why, hint=hint)
                waiting.told.set()

    async def _read_lines(self, stream: ByteReceiveStream) -> None:
        held = bytearray()
        async for block in stream:
            start = len(held)
            held += block
            while (end := held.find(b"\n", start)) >= 0:
                line = bytes(held[:end]).strip()
                del held[: end + 1]
                start = 0
                if line:
                    await self._take(line)
            if len(held) > MOST_MESSAGE_BYTES:
                raise _broken(f"it sent a message of more than {MOST_MESSAGE_BYTES} bytes.")

    async def _take(self, line: bytes) -> None:
        if len(line) > MOST_MESSAGE_BYTES:
            raise _broken(f"it sent a message of more than {MOST_MESSAGE_BYTES} bytes.")
        self._strays += 1
        if self._strays > MOST_STRAY_MESSAGES:
            raise _broken("it talks without being asked.")
        try:
            message = decode(line)
        except RpcFailure:  # many print what belongs into a log
            self._log.write(line.decode(errors="replace"))
            return
        waiting = self._waiting.get(message.id) if isinstance(message.id, int) else None
        if message.answers and waiting is not None:
            self._strays = 0
            waiting.answer = message
            waiting.told.set()
            return
        if not message.answers and isinstance(message.id, int | str):
            # It asks us: whether we are there, or for what we do not offer.
            reply = (
                answer(message.id, {})
                if message.method == "ping"
                else failure(message.id, METHOD_NOT_FOUND, "This client offers nothing.")
            )
            # One that does not read must not keep us from reading.
            with anyio.move_on_after(_CANCEL_SECONDS), suppress(ToolError):
                await self.send(reply)

    async def _hear_errors(self) -> None:
        assert self._process.stderr is not None
        lines = Lines()
        async for block in self._process.stderr:
            for line in lines.feed(block):
                self._log.write(line)
        for line in lines.flush():
            self._log.write(line)


def _broken(why: str) -> OutcomeUnknown:
    return OutcomeUnknown(why)
