"""The shift: takes up tasks that can go on, keeps their leases, and lets go of them at its end."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskStatus

from secondbasket.apps.tasks.crew import Crew
from secondbasket.apps.tasks.halts import Halt
from secondbasket.apps.tasks.records import LeaseLost, TaskRecords
from secondbasket.apps.tasks.work import work
from secondbasket.core.ids import new_id
from secondbasket.errors import BasketError, StoreError

if TYPE_CHECKING:
    from secondbasket.apps.tasks.durable import Durable, Run

_log = logging.getLogger(__name__)

_PACE_SECONDS = 1.0
_BROKEN_AGAIN_SECONDS = 30.0
_LAST_SECONDS = 5.0


class Shift:
    """`durable` makes what keeps runs durable, once there is a first task to work on.

    `lease_seconds` is how long nobody else takes up what this process had when it died.
    """

    def __init__(
        self,
        records: TaskRecords,
        crew: Crew,
        durable: "Callable[[Run], Durable]",
        *,
        at_once: int = 4,
        lease_seconds: float = 6.0,
    ) -> None:
        self._records = records
        self._crew = crew
        self._make_durable = durable
        self._durable: Durable | None = None
        self._at_once = at_once
        self._lease_seconds = lease_seconds
        self._under_way: set[str] = set()
        self._stopping = False
        self._nudge = anyio.Event()

    def nudge(self) -> None:
        """Something changed: look at once for what can go on."""
        self._nudge.set()

    def stop(self) -> None:
        """Leave off: what is under way is let go of, and nothing more is taken up."""
        self._crew.stop()
        self._stopping = True

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; then tasks under way are let go of, and taken up again later."""
        task_status.started()
        try:
            while True:
                self._nudge = anyio.Event()
                try:
                    await self._round()
                except StoreError as error:
                    _log.error("tasks wait: %s", error)
                with anyio.move_on_after(_PACE_SECONDS):
                    await self._nudge.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await self._end()

    async def _round(self) -> None:
        if self._under_way:
            await self._records.renew(self._crew.holder, seconds=self._lease_seconds)
            for task in await self._records.to_break_off(self._crew.holder):
                self._crew.break_off(task)
        free = self._at_once - len(self._under_way)
        if not free or self._stopping or not await self._records.waiting_for_hands():
            return
        durable = await self._opened()
        held = await self._records.claim(self._crew.holder, seconds=self._lease_seconds, limit=free)
        for each in held:
            self._under_way.add(each.task.id)
            await durable.go(f"{each.task.id}.{each.task.run}", each.task.id, each.task.steps)

    async def _opened(self) -> "Durable":
        if self._durable is None:
            durable = self._make_durable(self._work)
            await durable.open()
            self._durable = durable
        return self._durable

    async def _work(self, task: str, start: int) -> str:
        assert self._durable is not None
        try:
            return await work(self._crew, task, start, self._durable.step)
        except BasketError as error:
            return await self._broken(task, str(error))
        except Exception:  # noqa: BLE001 - the edge of a task: it must not take the others along
            reference = new_id("err")
            _log.exception("unexpected error %s in %s", reference, task)
            return await self._broken(task, f"the server's log knows it as {reference}")
        finally:
            self._under_way.discard(task)
            self.nudge()

    async def _broken(self, task: str, why: str) -> str:
        halt = Halt(state="parked", reason=f"it broke: {why}", again_seconds=_BROKEN_AGAIN_SECONDS)
        try:
            await self._crew.settle(task, halt)
        except (LeaseLost, StoreError) as error:
            _log.error("%s", error)
        return halt.state

    async def _end(self) -> None:
        self._crew.stop()
        with anyio.move_on_after(_LAST_SECONDS):
            while self._under_way:  # noqa: ASYNC110 - a moment, and over
                await anyio.sleep(0.02)
        if self._durable is not None:
            await self._durable.close()
