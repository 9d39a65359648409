"""One model kept answering: a supervised engine process with a state, a reason and an address.

::

    stopped ──start──▶ starting ──▶ ready ──stop──▶ draining ──▶ stopped
                          │  ▲        │
                  refused │  └─ restarting ◀─ crashed or hung
                          ▼        │
                        failed ◀───┘ crashed too often

Held down, it waits in `restarting` until it is let up.
"""

import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import anyio
import msgspec
from anyio.abc import TaskGroup

from secondbasket.cloud.log import EngineLog
from secondbasket.cloud.process import EngineProcess, run_engine
from secondbasket.core.chip import Chip, FitEstimate
from secondbasket.core.model import ModelRecord
from secondbasket.core.ports import Engine, EngineOptions
from secondbasket.core.replica import ReplicaState
from secondbasket.egress import Session
from secondbasket.errors import EngineError, EngineFailedToStart, EngineNotReady

_log = logging.getLogger(__name__)


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a replica waits for what, in seconds, and how often it tries again.

    After a crash it pauses `pause`, doubled with every further one up to
    `longest_pause`, less up to half at random. One that answered for `stable`
    counts from the start again; after `crashes` in a row it is given up.
    """

    start: float = 120.0
    health_interval: float = 5.0
    health_timeout: float = 5.0
    health_misses: int = 3
    terminate: float = 5.0
    pause: float = 0.2
    longest_pause: float = 30.0
    stable: float = 60.0
    crashes: int = 5


class Endpoint(msgspec.Struct, frozen=True):
    """Where a ready engine answers; the key is this process's own and dies with it."""

    base_url: str
    api_key: str

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"


class ReplicaSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica runs: `model` from `files` by `engine` with `options` on `chip`.

    `name` is the replica's own: one model may run in several engines.
    """

    name: str
    model: ModelRecord
    files: Mapping[str, Path]
    engine: Engine
    options: EngineOptions
    chip: Chip
    estimate: FitEstimate


class _Life(msgspec.Struct, frozen=True):
    """How one process ended; `served` is the seconds it was ready, None for never."""

    reason: str
    served: float | None = None
    refused: bool = False


class Replica:
    """Supervised by a task in `tasks`; `on_change` is called whenever the state changed.

    `endpoint` is where it answers while it is ready, else None. `observed_bytes`
    is the resident memory measured after the load, to be read next to
    `spec.estimate`; None before it, and where the system does not tell.
    """

    def __init__(
        self,
        spec: ReplicaSpec,
        *,
        log: Path,
        session: Session,
        tasks: TaskGroup,
        on_change: Callable[[], None],
        patience: Patience,
    ) -> None:
        self.spec = spec
        self.name = spec.name
        self.state: ReplicaState = "stopped"
        self.reason = ""
        self.restarts = 0
        self.endpoint: Endpoint | None = None
        self.pid: int | None = None
        self.observed_bytes: int | None = None
        self._log = EngineLog(log)
        self._session = session
        self._tasks = tasks
        self._on_change = on_change
        self._patience = patience
        self._changed = anyio.Event()
        self._leases = 0
        self._scope: anyio.CancelScope | None = None
        self._stopping = False
        self._process: EngineProcess | None = None
        self._holds = 0
        self._put_down = False  # by `hold_down`, in the life that runs or ran last

    @property
    def log(self) -> Path:
        """The file with what its engines wrote."""
        return self._log.path

    async def start(self) -> None:
        """Begin to load, or do nothing where that is under way or done. Returns at once,
        save while an earlier life is still draining."""
        while self._stopping:
            await self._changed.wait()
        if self._scope is None:
            self._scope = anyio.CancelScope()
            self._become("starting")
            self._tasks.start_soon(self._supervise, self._scope, name=f"replica {self.name}")

    async def wait_ready(self, timeout: float) -> None:
        """Raises EngineFailedToStart when it fails, is stopped, or `timeout` seconds pass."""
        with anyio.move_on_after(timeout):
            while self.state != "ready":
                if self.state in ("failed", "stopped"):
                    raise EngineFailedToStart(
                        f"'{self.name}' does not answer: {self.reason or 'it is stopped'}.",
                        hint=f"Its log is {self.log}.",
                    )
                await self._changed.wait()
            return
        raise EngineFailedToStart(
            f"'{self.name}' was not ready within {timeout:g} s"
            + (f" ({self.reason})." if self.reason else "."),
            hint=f"Its log is {self.log}. A large model may need more time to load.",
        )

    async def stop(self, drain_seconds: float = 0.0) -> None:
        """Take no new calls, let those under way go on for `drain_seconds`, end the process."""
        scope = self._scope
        if scope is None:
            self._become("stopped")
            return
        self._stopping = True
        if self.state == "ready":
            self.endpoint = None
            self._become("draining")
        try:
            with anyio.move_on_after(drain_seconds):
                # A crash ends the wait too: the calls under way ended with the process.
                while self._leases and self._scope is scope:
                    await self._changed.wait()
        finally:
            scope.cancel()
        while self._scope is scope:
            await self._changed.wait()

    def hold_down(self) -> None:
        """Kill its process group at once, and start no other until as many `let_up` as this."""
        self._holds += 1
        self._put_down = True
        if self._process is not None:
            self._process.kill()

    def let_up(self) -> None:
        """Undo one `hold_down`: the last one has it start again."""
        self._holds -= 1
        if not self._holds:
            self._notify()

    @contextmanager
    def lease(self) -> Iterator[Endpoint]:
        """The address for one call; a stop waits for the block to end. Raises EngineNotReady."""
        if self.endpoint is None:
            raise EngineNotReady(
                f"The engine of '{self.name}' is {self.state}.",
                hint="Try again in a moment." if self.state != "failed" else f"See {self.log}.",
            )
        self._leases += 1
        try:
            yield self.endpoint
        finally:
            self._leases -= 1
            if self._stopping and not self._leases:
                self._notify()

    def _become(self, state: ReplicaState, reason: str = "") -> None:
        level = logging.WARNING if state in ("restarting", "failed") else logging.INFO
        _log.log(level, "engine of %s: %s%s", self.name, state, f": {reason}" if reason else "")
        self.state = state
        self.reason = reason
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
        self._on_change()

    async def _supervise(self, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await self._keep_alive()
        finally:
            self._scope = None
            self._log.close()
            if self._stopping or self.state != "failed":
                self._stopping = False
                self._become("stopped", self.reason)

    async def _keep_alive(self) -> None:
        """Process after process, until one refuses, too many crash, or a stop was asked for."""
        crashes = 0
        served_before = False
        while True:
            while self._holds:
                await self._changed.wait()
            try:
                life = await self._live()
            except EngineError as exc:
                self._become("failed", exc.message)
                return
            finally:
                self.endpoint = self.pid = self.observed_bytes = None
                self._process = None
            if self._stopping:
                self.reason = life.reason
                return
            if self._put_down:
                # We did that ourselves: it is no crash.
                self.restarts += 1
                self._become("restarting", "held down")
                continue
            served_before = served_before or life.served is not None
            if life.refused and not served_before:
                # It said no by itself: it would say so again.
                self._become("failed", life.reason)
                return
            stable = life.served is not None and life.served >= self._patience.stable
            crashes = 1 if stable else crashes + 1
            if crashes > self._patience.crashes:
                self._become("failed", f"crashed {crashes} times in a row; {life.reason}")
                return
            self.restarts += 1
            self._become("restarting", life.reason)
            await anyio.sleep(self._pause(crashes))

    def _pause(self, crashes: int) -> float:
        longest = min(self._patience.pause * 2.0 ** (crashes - 1), self._patience.longest_pause)
        return longest * random.uniform(0.5, 1.0)

    async def _live(self) -> _Life:
        """One process from its start to its end, or to the moment it must be ended."""
        spec, patience = self.spec, self._patience
        api_key = secrets.token_urlsafe(32)
        child = spec.engine.child(spec.model, spec.files, spec.options, api_key)
        async with run_engine(
            child, log=self._log, terminate_seconds=patience.terminate
        ) as process:
            self.pid = process.pid
            self._process = process
            self._put_down = bool(self._holds)
            if self._put_down:  # while it was being started
                process.kill()
            port = None
            with anyio.move_on_after(patience.start) as waiting:
                port = await process.ready()
            if waiting.cancelled_caught:
                process.kill()
                return _Life(f"was not ready within {patience.start:g} s")
            if port is None:
                words = await process.exit_words()
                return _Life(words, refused=(process.returncode or 0) > 0)
            self.observed_bytes = process.resident_bytes()
            endpoint = self.endpoint = Endpoint(f"http://127.0.0.1:{port}", api_key)
            self._become("ready")
            since = time.monotonic()
            reason = await self._watch(process, endpoint)
            return _Life(reason, served=time.monotonic() - since)

    async def _watch(self, process: EngineProcess, endpoint: Endpoint) -> str:
        """Why the process is no longer of use; one that hangs is killed."""
        patience = self._patience
        misses = 0
        while misses < patience.health_misses:
            with anyio.move_on_after(patience.health_interval):
                return await process.exit_words()
            misses = 0 if await self._healthy(endpoint) else misses + 1
        process.kill()
        return f"hung: {misses} health checks in a row were not answered"

    async def _healthy(self, endpoint: Endpoint) -> bool:
        try:
            async with self._session.get(
                f"{endpoint.base_url}/health",
                headers={"Authorization": f"Bearer {endpoint.api_key}"},
                timeout=aiohttp.ClientTimeout(total=self._patience.health_timeout),
            ) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False
