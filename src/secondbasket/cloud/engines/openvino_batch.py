"""Answers written side by side: each step of the model adds a token to every one of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from secondbasket.cloud.engines.openvino_model import Model

# Rounds of the event loop between two steps: enough for a new call to be read and begun.
_ROUNDS = 4


class GenerationFailed(Exception):
    """The library gave an answer up."""


class Generation:
    """One answer in the making. `finish_reason` is 'stop' or 'length' once all has come."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._arrived: list[tuple[int, float]] = []
        self._news = anyio.Event()
        self._ended = False
        self.finish_reason = ""

    def cancel(self) -> None:
        if not self._ended:
            self._handle.cancel()

    def collect(self) -> bool:
        """Take what the last step wrote; False once nothing more will come."""
        while self._handle.can_read():
            for output in self._handle.read().values():
                self._arrived += zip(output.generated_ids, output.generated_log_probs, strict=True)
                if output.finish_reason.name in ("STOP", "LENGTH"):
                    self.finish_reason = output.finish_reason.name.lower()
        self._ended = self._handle.get_status().name != "RUNNING"
        self._news.set()
        return not self._ended

    def give_up(self) -> None:
        self._ended = True
        self._news.set()

    async def tokens(self) -> AsyncGenerator[tuple[int, float], None]:
        """Token ids with their log-probabilities (0 where none were asked), as they come."""
        while True:
            news = self._news
            yielded, self._arrived = self._arrived, []
            for each in yielded:
                yield each
            if self._ended and not self._arrived:
                break
            if not yielded:
                await news.wait()
                self._news = anyio.Event()
        if not self.finish_reason:
            raise GenerationFailed("The engine had to give this answer up.")


class Batch:
    """At most `slots` answers at a time; others wait for their turn."""

    def __init__(self, model: Model, slots: int) -> None:
        self._model = model
        self._slots = anyio.Semaphore(slots)
        self._running: list[Generation] = []
        self._work = anyio.Event()

    @asynccontextmanager
    async def generation(self, prompt: Sequence[int], config: Any) -> AsyncIterator[Generation]:
        """An answer that is written inside the block, and given up where the block is left."""
        await self._slots.acquire()
        try:
            generation = Generation(self._model.begin(prompt, config))
        except RuntimeError as exc:
            self._slots.release()
            raise GenerationFailed(f"The engine does not begin this answer: {exc}") from exc
        self._running.append(generation)
        self._work.set()
        try:
            yield generation
        finally:
            generation.cancel()
            # The library lets go of it in its next step, which `run` then makes.
            self._work.set()

    async def run(self) -> None:
        """Make steps for as long as there is something to write; ends by cancellation only.

        Raises RuntimeError where the library fails: the process is of no use then.
        """
        while True:
            await self._work.wait()
            self._work = anyio.Event()
            while self._model.busy():
                self._model.step()
                self._collect()
                for _ in range(_ROUNDS):
                    await asyncio.sleep(0)
            for generation in self._collect():
                generation.give_up()
                self._let_go(generation)

    def _collect(self) -> list[Generation]:
        """Those that are still being written."""
        for generation in [*self._running]:
            if not generation.collect():
                self._let_go(generation)
        return [*self._running]

    def _let_go(self, generation: Generation) -> None:
        self._running.remove(generation)
        self._slots.release()
