"""The stops of `basket tour`: at each, something is really done, and what came of it is checked."""

from secondbasket.cli.chat import first_chat_basket
from secondbasket.cli.output import size
from secondbasket.cli.receipt import receipt_lines
from secondbasket.cli.tour_breaks import QUESTION, see_crash, see_plug
from secondbasket.cli.tour_walk import Stop, Walk, found, require
from secondbasket.core.chip import Chip
from secondbasket.core.model import ModelRecord
from secondbasket.core.money import format_nano
from secondbasket.core.ports import PullProgress
from secondbasket.core.usage import UsageRow


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
    receipt, model = found(walk.receipt), found(walk.model)
    require(receipt.outcome == "completed", f"the receipt says '{receipt.outcome}'")
    require(
        receipt.digest == model.digest, "the receipt names other weights than those that were read"
    )
    require(receipt.output_tokens > 0, "the receipt counts no tokens")
    return [f"{label.ljust(8)} {value}" for label, value in receipt_lines(receipt)]


async def see_cost(walk: Walk) -> list[str]:
    receipt = found(walk.receipt)
    sums = await walk.server.get("usage", list[UsageRow], key=receipt.key_id)
    total = next((row for row in sums if row.currency == receipt.currency), None)
    require(total is not None and total.cost >= receipt.cost > 0, "the ledger lacks this answer")
    total = found(total)
    price = format_nano(receipt.cost, receipt.currency)
    return [
        f"{receipt.input_tokens} tokens read and {receipt.output_tokens} written: {price}.",
        f"This key so far: {format_nano(total.cost, total.currency)} for {total.calls} calls.",
    ]


STOPS = (
    Stop("The chip that computes", see_chip),
    Stop("The model, and why it is trusted", see_model),
    Stop("An answer", see_answer),
    Stop("Its receipt", see_receipt),
    Stop("What it cost", see_cost),
    Stop("When the engine dies", see_crash),
    Stop("Pull the plug", see_plug),
)


def _unseen(progress: PullProgress) -> None:
    """The tour shows what came of it, not how far it is."""
