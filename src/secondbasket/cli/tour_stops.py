"""The stops of `basket tour`: at each, something is really done, and what came of it is checked."""

import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio
import msgspec

from secondbasket.cli.chat import Chat, first_chat_basket
from secondbasket.cli.connection import Connection
from secondbasket.cli.output import size
from secondbasket.cli.receipt import receipt_lines
from secondbasket.core.chip import Chip
from secondbasket.core.model import ModelRecord
from secondbasket.core.money import format_nano
from secondbasket.core.ports import PullProgress
from secondbasket.core.receipt import Receipt
from secondbasket.core.usage import UsageRow
from secondbasket.errors import BasketError, UpstreamError

T = TypeVar("T")

QUESTION = "Name the capital of France."
_LONG_QUESTION = "Tell a long story about a lighthouse keeper, with many details."
_PIECES_BEFORE_THE_KILL = 5
_LOOKS = 1200
_BETWEEN_LOOKS_SECONDS = 0.05


class StopFailed(BasketError):
    """What was done at this stop did not come out as it has to."""

    code = "tour_stop_failed"


@dataclass
class Walk:
    """What the stops hand on: each reads what those before it found."""

    server: Connection
    model: ModelRecord | None = None
    receipt: Receipt | None = None

    async def chat(self) -> Chat:
        return Chat(
            self.server, await first_chat_basket(self.server), max_tokens=256, temperature=0
        )


class Stop(msgspec.Struct, frozen=True):
    """`visit` does it and returns what there is to see, line by line. Raises BasketError."""

    title: str
    visit: Callable[[Walk], Awaitable[list[str]]]


async def see_chip(walk: Walk) -> list[str]:
    chips = await walk.server.get("chips", list[Chip], measure="true")
    require(chips, "no chip was found")
    require(chips[0].read_bandwidth, "memory bandwidth could not be measured")
    return [
        f"{chip.name}: {chip.cores} cores, {size(chip.memory_free)} of"
        f" {size(chip.memory_total)} free, reads {size(chip.read_bandwidth or 0)}/s (measured now)"
        for chip in chips
    ]


async def see_model(walk: Walk) -> list[str]:
    name = await first_chat_basket(walk.server)
    model = await walk.server.get(f"models/{name}", ModelRecord)
    step = await walk.server.steps("verify", report=_unseen, name=name)
    require(step.verified is not None and not step.verified.broken, f"'{name}' is damaged")
    walk.model = model
    shape = model.shape
    return [
        f"{model.name}, {size(model.size)}"
        + (f", {shape.architecture}, {shape.quantisation}" if shape else ""),
        f"digest   {model.digest} (every byte read again just now: as pulled)",
        f"licence  {model.licence}",
        f"source   {model.source.partition('#')[0]}",
    ]


async def see_answer(walk: Walk) -> list[str]:
    chat = await walk.chat()
    answer = "".join([piece async for piece in chat.ask(QUESTION)]).strip()
    require(answer, "the model said nothing")
    walk.receipt = await chat.receipt()
    return [f"> {QUESTION}", answer]


async def see_receipt(walk: Walk) -> list[str]:
    receipt, model = _found(walk.receipt), _found(walk.model)
    require(receipt.outcome == "completed", f"the receipt says '{receipt.outcome}'")
    require(
        receipt.digest == model.digest, "the receipt names other weights than those that were read"
    )
    require(receipt.output_tokens > 0, "the receipt counts no tokens")
    return [f"{label.ljust(8)} {value}" for label, value in receipt_lines(receipt)]


async def see_cost(walk: Walk) -> list[str]:
    receipt = _found(walk.receipt)
    sums = await walk.server.get("usage", list[UsageRow], key=receipt.key_id)
    total = next((row for row in sums if row.currency == receipt.currency), None)
    require(total is not None and total.cost >= receipt.cost > 0, "the ledger lacks this answer")
    total = _found(total)
    price = format_nano(receipt.cost, receipt.currency)
    return [
        f"{receipt.input_tokens} tokens read and {receipt.output_tokens} written: {price}.",
        f"This key so far: {format_nano(total.cost, total.currency)} for {total.calls} calls.",
    ]


async def see_crash(walk: Walk) -> list[str]:
    """Kill the engine in the middle of an answer: an error, a restart, and an answer again."""
    chat = await walk.chat()
    victim = await _engine_of(walk.server, chat.model)
    pieces = 0
    broke = None
    try:
        async for _ in chat.ask(_LONG_QUESTION):
            pieces += 1
            if pieces == _PIECES_BEFORE_THE_KILL:
                os.kill(victim, signal.SIGKILL)
    except UpstreamError as error:
        broke = error
    killed = time.monotonic()
    require(broke is not None, "the answer ended as if nothing had happened")
    receipt = await chat.receipt()
    require(receipt.outcome != "completed", "the receipt calls a broken answer complete")
    again = await _revived(walk, chat.model, victim)
    back = time.monotonic() - killed
    answer = "".join([piece async for piece in again.ask(QUESTION)]).strip()
    require(answer, "the model said nothing after it came back")
    return [
        f"kill -9 {victim} after {pieces} pieces of an answer.",
        f"The client was told: {_found(broke).message}",
        f"The receipt says '{receipt.outcome}', {receipt.output_tokens} tokens out.",
        f"The engine was back after {back:.1f} s, and answers: {answer}",
    ]


STOPS = (
    Stop("The chip that computes", see_chip),
    Stop("The model, and why it is trusted", see_model),
    Stop("An answer", see_answer),
    Stop("Its receipt", see_receipt),
    Stop("What it cost", see_cost),
    Stop("When the engine dies", see_crash),
)


def require(fact: object, otherwise: str) -> None:
    """Raises StopFailed saying `otherwise` where `fact` is not so."""
    if not fact:
        raise StopFailed(f"This stop failed: {otherwise}.", hint="`basket doctor` looks closer.")


def _found(value: T | None) -> T:
    if value is None:
        raise StopFailed("This stop builds on one before it that failed.")
    return value


async def _revived(walk: Walk, model: str, victim: int) -> Chat:
    """A new chat, once another process than `victim` runs the model and is ready."""
    for _ in range(_LOOKS):
        if await _engine_of(walk.server, model) not in (0, victim):
            return await walk.chat()
        await anyio.sleep(_BETWEEN_LOOKS_SECONDS)
    raise StopFailed("The engine did not come back.", hint="`basket status` says why.")


async def _engine_of(server: Connection, model: str) -> int:
    """The process id of the engine behind `model`, 0 while it has none."""
    status = await server.status()
    return next((each.pid or 0 for each in status.replicas if each.name == model), 0)


def _unseen(progress: PullProgress) -> None:
    """The tour shows what came of it, not how far it is."""
