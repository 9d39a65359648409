"""The pump: one answer on its way from an upstream to a door.

It counts, measures the time to the first token, and writes the receipt before
the last chunk is handed on: a door that has seen the end has a durable row.
"""

from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio

from secondbasket.core.chat import ChatRequest, Chunk, CompletionRequest
from secondbasket.core.receipt import Outcome, Receipt
from secondbasket.errors import BasketError, KeyRevoked, UpstreamBroken, UpstreamError
from secondbasket.maas.account import Account
from secondbasket.maas.failover.relay import Relay
from secondbasket.maas.in_flight import InFlight

_MOST_HELD = 256


class Answer:
    """Iterate it inside ``async with``; leaving early cancels the call and bills what was used.

    Raises what the relay raises. The block itself is ended by `abandon`,
    and by `revoke` with KeyRevoked. `receipt` is set once the end (or the
    break) is on record.
    """

    def __init__(
        self,
        account: Account,
        relay: Relay[ChatRequest] | Relay[CompletionRequest],
        *,
        choices: int,
        in_flight: InFlight,
    ) -> None:
        self.account = account
        self.receipt: Receipt | None = None
        self._relay = relay
        self._chunks = relay.chunks()
        self._choices = choices
        self._finished: set[int] = set()
        self._in_flight = in_flight
        self._held: list[Chunk] = []
        self._closed = False
        self._revoked = False
        self._scope = anyio.CancelScope()

    @property
    def finished(self) -> Receipt:
        """The receipt of an answer that was iterated to its end."""
        if self.receipt is None:
            raise RuntimeError("the answer has not ended")
        return self.receipt

    async def __aenter__(self) -> Self:
        await self._relay.open()
        self._scope.__enter__()
        self._in_flight.enter(self.account.key.id, self)
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        while not self._closed:
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                self._close("completed")
                break
            for choice in chunk.choices:
                if choice.finish_reason is not None:
                    self._finished.add(choice.index)
            if len(self._finished) < self._choices:
                return chunk
            # Every choice has finished: what still comes is kept back until the row is written.
            self._held.append(chunk)
            if len(self._held) > _MOST_HELD:
                raise UpstreamBroken("The upstream goes on after its answer has finished.")
        if not self._held:
            raise StopAsyncIteration
        return self._held.pop(0)

    def abandon(self) -> None:
        """Nobody waits for it any more: leave the block."""
        self._scope.cancel()

    def revoke(self) -> None:
        """Its key is gone: leave the block with KeyRevoked."""
        self._revoked = True
        self._scope.cancel()

    def _close(self, outcome: Outcome, *, error: BasketError | None = None) -> None:
        self._closed = True
        self.receipt = self.account.close(outcome, error=error)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        try:
            if not self._closed:
                with anyio.CancelScope(shield=True):
                    await self._interrupted(error)
        finally:
            self._in_flight.leave(self.account.key.id, self)
            ended = bool(self._scope.__exit__(kind, error, trace))
        if ended and self._revoked:
            raise KeyRevoked("This key was revoked while the answer was under way.")
        return ended

    async def _interrupted(self, error: BaseException | None) -> None:
        with suppress(BasketError):
            await self._chunks.aclose()
        if not await self._relay.interrupted():
            self._cancel()
        elif isinstance(error, UpstreamError):
            self._close("upstream_failed", error=error)
        elif isinstance(error, BasketError) and not self.account.used:
            # The request itself was at fault: nothing was made, nothing is owed.
            self._cancel()
        else:
            self._close("revoked" if self._revoked else "client_closed")

    def _cancel(self) -> None:
        self._closed = True
        self.account.cancel()
