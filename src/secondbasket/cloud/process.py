"""One engine as a child process: started, fed its configuration, heard, and surely ended."""

import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, Process

from secondbasket.cloud.log import EngineLog, Lines
from secondbasket.core.ports import EngineChild
from secondbasket.errors import EngineFailedToStart

_READY = re.compile(r"ready ([1-9][0-9]{0,4})")
_DRAIN_PIPES_SECONDS = 1.0

# Engines are native code fed with strangers' words: provider keys, database passwords and
# whatever else this process was started with are none of their business.
_INHERITED = (
    "PATH HOME USER TMPDIR LANG LC_ALL LC_CTYPE TZ LD_LIBRARY_PATH DYLD_LIBRARY_PATH PYTHONPATH"
    " PYTHONHOME VIRTUAL_ENV CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES CUDA_HOME"
).split()


class EngineProcess:
    """A running child. Made by `run_engine`."""

    def __init__(self, process: Process, log: EngineLog) -> None:
        self._process = process
        self._log = log
        self._port: int | None = None
        self._spoke = anyio.Event()  # either ready or silent for ever
        self._open_pipes = 2
        self._pipes_closed = anyio.Event()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    async def ready(self) -> int | None:
        """The port it answers on; None when it ended without answering."""
        await self._spoke.wait()
        return self._port

    async def exit_words(self) -> str:
        """Waits for its end and says how that came about, with its last lines."""
        await self._process.wait()
        with anyio.move_on_after(_DRAIN_PIPES_SECONDS):
            await self._pipes_closed.wait()
        words = _exit_words(self._process.returncode or 0)
        last = self._log.last_words()
        return f"{words}; its last words: {last}" if last else words

    def resident_bytes(self) -> int | None:
        """Memory it holds in RAM now, weights mapped from their file included; None off Linux."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def configure(self, configuration: bytes) -> None:
        assert self._process.stdin is not None
        # A child that is gone already is told of by its exit status.
        with suppress(anyio.BrokenResourceError):
            await self._process.stdin.send(configuration + b"\n")

    async def end(self, terminate_seconds: float) -> None:
        """SIGTERM, then SIGKILL after `terminate_seconds`; nothing of it is left on return."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            with anyio.move_on_after(terminate_seconds):
                await self._process.wait()
        self.kill()
        await self._process.wait()

    async def hear_output(self) -> None:
        assert self._process.stdout is not None
        await self._hear(self._process.stdout, self._on_output)
        self._spoke.set()

    async def hear_errors(self) -> None:
        assert self._process.stderr is not None
        await self._hear(self._process.stderr, self._log.write)

    def _on_output(self, line: str) -> None:
        announced = _READY.fullmatch(line.strip())
        if announced and self._port is None:
            self._port = int(announced[1])
            self._spoke.set()
        else:
            self._log.write(line)

    async def _hear(self, stream: ByteReceiveStream, heard: Callable[[str], None]) -> None:
        lines = Lines()
        async for data in stream:
            for line in lines.feed(data):
                heard(line)
        for line in lines.flush():
            heard(line)
        self._open_pipes -= 1
        if not self._open_pipes:
            self._pipes_closed.set()


@asynccontextmanager
async def run_engine(
    child: EngineChild, *, log: EngineLog, terminate_seconds: float
) -> AsyncIterator[EngineProcess]:
    """A child that runs inside the block and is gone after it, however the block is left.

    It leads a session of its own: a Ctrl-C in our terminal is ours to answer,
    and what it starts is ended with it. Raises EngineFailedToStart when its
    program cannot be run.
    """
    log.begin()
    try:
        # Cancelled half-way, a child would run that nobody holds.
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                child.command, env=_environment(child.environment), start_new_session=True
            )
    except OSError as exc:
        raise EngineFailedToStart(
            f"The engine's program {child.command[0]} cannot be run: {exc.strerror}.",
            hint="Install Second Basket again: its own files are missing.",
        ) from exc
    running = EngineProcess(process, log)
    async with process, anyio.create_task_group() as ears:
        ears.start_soon(running.hear_output)
        ears.start_soon(running.hear_errors)
        try:
            await running.configure(child.configuration)
            yield running
        finally:
            with anyio.CancelScope(shield=True):
                await running.end(terminate_seconds)
            ears.cancel_scope.cancel()


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, **added}


def _exit_words(status: int) -> str:
    """-9 → 'killed by SIGKILL …', 3 → 'ended with status 3'."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    why = ", as the system does when memory runs out" if -status == signal.SIGKILL else ""
    return f"killed by {name}{why}"
