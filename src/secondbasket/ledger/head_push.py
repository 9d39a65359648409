"""Heads sent to other hosts: the newest one, again and again until it is there.

A destination is an HTTP address that takes a POST with the head as JSON, and
answers 2xx once it is kept. The newest head covers all before it, so one that
could not be sent is not sent later, but a newer one. What changes (the first
success, a failure, a recovery) is a decision in the ledger, not each push.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import anyio
import msgspec

from secondbasket.core.canonical import canonical
from secondbasket.core.clock import now
from secondbasket.core.decision import Decision
from secondbasket.core.head import PushState
from secondbasket.errors import BasketError

_log = logging.getLogger(__name__)

_PUSH_SECONDS = 15.0
_LONGEST_WAIT_SECONDS = 300.0


class HeadPush:
    """Pushes to `destinations`: how people call each, and the URL and session to reach it by."""

    def __init__(
        self,
        destinations: Mapping[str, tuple[str, aiohttp.ClientSession]],
        record: Callable[[Decision], None],
        *,
        first_wait_seconds: float = 1.0,
    ) -> None:
        self._destinations = destinations
        self._record = record
        self._first_wait = first_wait_seconds
        self._states = {name: PushState(destination=name) for name in destinations}
        self._newest: Mapping[str, Any] | None = None
        self._offered = anyio.Event()

    @property
    def states(self) -> tuple[PushState, ...]:
        return tuple(self._states.values())

    def offer(self, head: Mapping[str, Any]) -> None:
        """Have `head` pushed in place of any that is still waiting."""
        self._newest = head
        self._offered.set()
        self._offered = anyio.Event()

    async def run(self) -> None:
        """Push what is offered until cancelled."""
        async with anyio.create_task_group() as tasks:
            for name in self._destinations:
                tasks.start_soon(self._keep_pushing, name)

    async def push(self) -> tuple[PushState, ...]:
        """Push the newest head to every destination now, once."""
        async with anyio.create_task_group() as tasks:
            for name in self._destinations:
                tasks.start_soon(self._push, name)
        return self.states

    async def _keep_pushing(self, name: str) -> None:
        wait = self._first_wait
        while True:
            offered = self._offered
            newest = self._newest
            if newest is None or newest["size"] == self._states[name].size:
                await offered.wait()
            elif await self._push(name):
                wait = self._first_wait
            else:
                await anyio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    async def _push(self, name: str) -> bool:
        head = self._newest
        if head is None:
            return True
        failure = await self._post(name, canonical(head))
        before = self._states[name]
        if failure:
            since = before.failing_since or now()
            state = msgspec.structs.replace(before, failure=failure, failing_since=since)
        else:
            state = PushState(destination=name, size=head["size"], pushed_at=now())
        self._states[name] = state
        if bool(before.failure) != bool(failure) or (not failure and not before.size):
            self._tell(state)
        return not failure

    async def _post(self, name: str, body: bytes) -> str:
        """What went wrong; empty when the destination took it."""
        url, session = self._destinations[name]
        try:
            with anyio.fail_after(_PUSH_SECONDS):
                async with session.post(
                    url, data=body, headers={"Content-Type": "application/json"}
                ) as response:
                    if response.ok:
                        return ""
                    return f"it answered {response.status}"
        except TimeoutError:
            return f"no answer within {_PUSH_SECONDS:.0f} s"
        except (BasketError, aiohttp.ClientError, OSError) as exc:
            return str(exc) or type(exc).__name__

    def _tell(self, state: PushState) -> None:
        if state.failure:
            _log.error("no head could be sent to %s: %s", state.destination, state.failure)
        told = Decision(
            kind="head_push",
            subject=state.destination,
            outcome="failed" if state.failure else "done",
            detail={"size": str(state.size), "reason": state.failure},
        )
        try:
            self._record(told)
        except BasketError as exc:  # the journal's disk is full; pushing goes on
            _log.error("not recorded that a push %s: %s", told.outcome, exc)
