"""The calls that are running now: so that a revoked key's streams end, and a stop can drain."""

from collections import defaultdict
from typing import Protocol

import anyio


class Revocable(Protocol):
    """A running call that can be told its key is gone."""

    def revoke(self) -> None: ...


class InFlight:
    """Running calls by key id. All of it on one event loop."""

    def __init__(self) -> None:
        self._calls: defaultdict[str, set[Revocable]] = defaultdict(set)
        self._count = 0
        self._idle = anyio.Event()

    def __len__(self) -> int:
        return self._count

    def enter(self, key_id: str, call: Revocable) -> None:
        self._calls[key_id].add(call)
        self._count += 1

    def leave(self, key_id: str, call: Revocable) -> None:
        calls = self._calls[key_id]
        calls.discard(call)
        if not calls:
            del self._calls[key_id]
        self._count -= 1
        if not self._count:
            self._idle.set()

    def revoke(self, key_id: str) -> None:
        """End every running call of this key."""
        for call in tuple(self._calls.get(key_id, ())):
            call.revoke()

    async def drained(self) -> None:
        """Returns when no call is running."""
        while self._count:
            self._idle = anyio.Event()
            await self._idle.wait()
