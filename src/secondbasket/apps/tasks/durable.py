"""DBOS, as much of it as tasks need: one workflow function, started, resumed, and closed.

It is of the whole process, so there is one at a time. Nothing of it reports
anywhere, and what it keeps is JSON, never a pickle.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
import msgspec
from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID

from secondbasket.apps.tasks.work import Make
from secondbasket.errors import StoreError

_VERSION = "1"  # of the workflow; changed when an older run could not be gone on with
_POLL_SECONDS = 0.5
_QUEUE = "of {holder}"
_UNFINISHED = ("PENDING", "ENQUEUED", "DELAYED")

Run = Callable[[str, int], Awaitable[str]]
"""Goes on with a task from the entry of that number; how it was put down."""


class Durable:
    """`run` is the workflow. `holder` names this process, and no other ever again."""

    def __init__(self, url: str, holder: str, run: Run) -> None:
        self._url = url
        self._holder = holder
        self._run = run
        self._queue = _QUEUE.format(holder=holder)
        self._workflow: Callable[[str, int], Any] | None = None

    async def open(self) -> None:
        """Make the tables where there are none, and be ready. Raises StoreError."""
        logging.getLogger("dbos").setLevel(logging.WARNING)
        try:
            await anyio.to_thread.run_sync(DBOS.migrate, self._url)
            self._launch()
            await DBOS.register_queue_async(self._queue, polling_interval_sec=_POLL_SECONDS)
        except Exception as exc:
            raise StoreError(
                f"What keeps tasks durable does not start: {type(exc).__name__}.",
                hint="The log says more; check that the database runs and has room.",
            ) from exc

    def _launch(self) -> None:
        config = DBOSConfig(
            name="secondbasket",
            system_database_url=self._url,
            application_version=_VERSION,
            # Nobody else has this name, so nothing is recovered unasked: leases say who goes on.
            executor_id=self._holder,
            serializer=_Json(),
            run_migrations=False,
            enable_otlp=False,
            log_level="WARNING",
            scheduler_polling_interval_sec=3600.0,
        )
        DBOS(config=config)
        DBOS.listen_queues([self._queue])

        async def work(task: str, start: int) -> str:
            return await self._run(task, start)

        self._workflow = DBOS.workflow(name="work")(work)
        # In the event loop's own thread: resumed workflows then run on this loop, too.
        DBOS.launch()

    async def go(self, workflow: str, task: str, start: int) -> None:
        """Start the workflow of that id; where it was under way in a dead process, resume it.

        One that has ended is not begun again. Raises StoreError.
        """
        assert self._workflow is not None
        try:
            status = await DBOS.get_workflow_status_async(workflow)
            if status is not None and status.status in _UNFINISHED:
                await DBOS.resume_workflow_async(workflow, queue_name=self._queue)
            else:
                with SetWorkflowID(workflow):
                    await DBOS.start_workflow_async(self._workflow, task, start)
        except Exception as exc:
            raise StoreError(f"A task could not be taken up: {type(exc).__name__}.") from exc

    async def step(self, name: str, make: Make) -> str:
        """What `make` brings, kept; or what it brought before a crash."""
        return await DBOS.run_step_async({"name": name}, make)

    async def close(self) -> None:
        with suppress(Exception):  # the queue is this process's own; one left behind is harmless
            await DBOS.delete_queue_async(self._queue)
        await anyio.to_thread.run_sync(lambda: DBOS.destroy(destroy_registry=True))


class _Json(Serializer):
    """Arguments, results and errors as JSON; an error comes back as its words."""

    def serialize(self, data: Any) -> str:
        if isinstance(data, BaseException):
            data = {"error": f"{type(data).__name__}: {data}"}
        return msgspec.json.encode(data).decode()

    def deserialize(self, serialized_data: str) -> Any:
        told = msgspec.json.decode(serialized_data)
        if isinstance(told, Mapping) and set(told) == {"error"}:
            return StoreError(f"A step ended before: {told['error']}")
        return told

    def name(self) -> str:
        return "json"
