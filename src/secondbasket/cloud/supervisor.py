"""The replicas of one node, started, watched and ended together."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import quote

import anyio
from anyio.abc import TaskGroup

from secondbasket.cloud.replica import Patience, Replica, ReplicaSpec
from secondbasket.core.replica import ReplicaStatus
from secondbasket.egress import Session
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import Conflict, NotFound


class Supervisor:
    """Holds replicas by name while its ``async with`` block runs.

    Leaving the block, by whatever road, ends every engine; let calls finish
    with `stop` before. `logs` is the folder for what engines write.
    """

    def __init__(self, *, logs: Path, patience: Patience | None = None) -> None:
        self._logs = logs
        self._patience = patience or Patience()
        self._replicas: dict[str, Replica] = {}
        self._held: Counter[str] = Counter()
        self._changed = anyio.Event()
        self._stack = AsyncExitStack()
        self._session: Session
        self._tasks: TaskGroup

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(loopback_session())
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tasks.cancel_scope.cancel()
        # The block's own error goes on as it is, not inside the task group's.
        await self._stack.__aexit__(None, None, None)

    @property
    def replicas(self) -> Mapping[str, Replica]:
        return MappingProxyType(self._replicas)

    @property
    def changed(self) -> anyio.Event:
        """Set at the next change of any replica; take a new one for the change after that."""
        return self._changed

    async def add(self, spec: ReplicaSpec) -> Replica:
        """Hold and start a replica; `wait_ready` on it says how that went. Raises Conflict."""
        name = spec.name
        if name in self._replicas:
            raise Conflict(f"'{name}' is served already.", param="model")
        replica = self._replicas[name] = Replica(
            spec,
            log=self._logs / f"engine-{quote(name, safe='')}.log",
            session=self._session,
            tasks=self._tasks,
            on_change=self._notify,
            patience=self._patience,
        )
        for _ in range(self._held[spec.engine.name]):
            replica.hold_down()
        await replica.start()
        return replica

    @contextmanager
    def held_down(self, engine: str) -> Iterator[None]:
        """In the block no replica of this engine lives: killed at once, started again after it."""
        self._held[engine] += 1
        for replica in self._of(engine):
            replica.hold_down()
        try:
            yield
        finally:
            self._held[engine] -= 1
            for replica in self._of(engine):
                replica.let_up()

    def _of(self, engine: str) -> list[Replica]:
        return [each for each in self._replicas.values() if each.spec.engine.name == engine]

    async def remove(self, name: str, drain_seconds: float = 0.0) -> None:
        """Stop a replica and let go of it. Raises NotFound."""
        replica = self._replicas.get(name)
        if replica is None:
            raise NotFound(f"'{name}' is not served here.", param="model")
        await replica.stop(drain_seconds)
        # Another removal may have come first, and another replica after it.
        if self._replicas.get(name) is replica:
            del self._replicas[name]
            self._notify()

    async def stop(self, drain_seconds: float = 0.0) -> None:
        """Stop every replica, all at once; they stay listed."""
        async with anyio.create_task_group() as stopping:
            for replica in self._replicas.values():
                stopping.start_soon(replica.stop, drain_seconds)

    def promised_bytes(self) -> int:
        """Memory that running replicas were estimated to need and do not hold yet.

        Until an engine has loaded, the system counts its memory as free.
        """
        return sum(
            max(0, replica.spec.estimate.needed - (replica.observed_bytes or 0))
            for replica in self._replicas.values()
            if replica.state not in ("failed", "stopped")
        )

    def status(self) -> list[ReplicaStatus]:
        """Every replica, in the order they were added."""
        return [
            ReplicaStatus(
                name=replica.name,
                state=replica.state,
                reason=replica.reason,
                engine=replica.spec.engine.version(),
                chip=replica.spec.chip.id,
                pid=replica.pid,
                restarts=replica.restarts,
                context_tokens=replica.spec.options.context_tokens,
                slots=replica.spec.options.slots,
                estimate=replica.spec.estimate,
                observed_bytes=replica.observed_bytes,
                log=str(replica.log),
            )
            for replica in self._replicas.values()
        ]

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
