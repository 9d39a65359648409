"""The stops of `basket tour` at which something is taken away, to see what still answers."""

import os
import signal
import time
from contextlib import aclosing
from typing import Any

import anyio
import msgspec

from secondbasket.cli.chat import first_chat_basket
from secondbasket.cli.connection import Connection
from secondbasket.cli.tour_walk import StopFailed, Walk, require
from secondbasket.core.drill import DrillPlan, DrillReport, DrillRow, UpstreamPart
from secondbasket.core.receipt import Receipt
from secondbasket.core.story import story
from secondbasket.errors import UpstreamError
from secondbasket.server.admin.words import BasketStatus, LedgerKeys
from secondbasket.settings import LOCAL_PREFIX

QUESTION = "Name the capital of France."
_LONG_QUESTION = "Tell a long story about a lighthouse keeper, with many details."
_PIECES_BEFORE_THE_KILL = 5
_LOOKS = 2400
_BETWEEN_LOOKS_SECONDS = 0.05
_QUIET_LOOKS = 400
_DRILL_SECONDS = 10.0
_DRILL_RATE = 1.0


class Victim(msgspec.Struct, frozen=True):
    """An engine's process, and when it was found, as `time.monotonic` has it."""

    replica: str = ""
    pid: int = 0
    found_at: float = 0.0


async def see_crash(walk: Walk) -> list[str]:
    """Kill the engine in the middle of an answer: another one goes on, or the caller is told.

    The engine comes back either way.
    """
    chat = await walk.chat()
    await _rested(walk.server, chat.model)
    pieces, victim = 0, Victim()
    broke = None
    try:
        async for _ in chat.ask(_LONG_QUESTION):
            pieces += 1
            if pieces == _PIECES_BEFORE_THE_KILL:
                victim = await _answering(walk.server, chat.model)
                os.kill(victim.pid, signal.SIGKILL)
    except UpstreamError as error:
        broke = error
    require(victim.pid, "the answer was too short to be interrupted")
    seen = _what_became(await chat.receipt(), broke)
    await _until_back(walk.server, victim)
    back = time.monotonic() - victim.found_at
    again = await walk.chat()
    answer = "".join([piece async for piece in again.ask(QUESTION)]).strip()
    require(answer, "the model said nothing after it came back")
    return [
        f"kill -9 {victim.pid}, which ran {victim.replica}, in the middle of an answer.",
        *seen,
        f"Within {back:.1f} s the engine was back, and answers: {answer}",
    ]


def _what_became(receipt: Receipt, broke: UpstreamError | None) -> list[str]:
    """Of an answer whose engine was killed: never as if nothing had happened."""
    if broke is None:
        require(
            any(hop.goes_on for hop in receipt.hops),
            "the answer ended as if nothing had happened",
        )
        return [
            f"The answer {story(receipt)}.",
            f"The receipt has {len(receipt.hops)} hops, {receipt.output_tokens} tokens out.",
        ]
    require(receipt.outcome != "completed", "the receipt calls a broken answer complete")
    return [
        f"The client was told: {broke.message}",
        f"The receipt says '{receipt.outcome}', {receipt.output_tokens} tokens out.",
    ]


async def see_plug(walk: Walk) -> list[str]:
    """Take away the engine that is asked first, for a few seconds of a drill's own requests."""
    basket = await _with_a_second(walk.server)
    first = basket.upstreams[0]
    cut = f"engine:{first.engine_family}" if first.engine_family else f"upstream:{first.name}"
    plan = DrillPlan(cuts=(cut,), basket=basket.name, seconds=_DRILL_SECONDS, rate=_DRILL_RATE)
    document = await _drilled(walk.server, plan)
    report, key = await _verified(walk.server, document)
    require(report.switches, "no request had to switch")
    require(report.passed, f"only {report.answered_percent:g} % of the requests were answered")
    return [
        f"{cut} was taken away from {basket.name} for half of {plan.seconds:g} s.",
        *(f"{part.upstream} {_part(part)}" for part in report.upstreams),
        f"{report.answered_percent:g} % of {report.requests} requests were answered.",
        f"Switch time: {report.switch_ms_p50:.0f} ms (p50), {report.switch_ms_p95:.0f} ms (p95).",
        f"Streams: {report.streams_continued} continued, {report.streams_broken} broken.",
        f"The report is signed by {key}, and the ledger has its digest: {report.report}",
    ]


def _part(part: UpstreamPart) -> str:
    return f"{'was taken away and ' if part.cut else ''}answered {part.answered} of {part.asked}"


async def _drilled(server: Connection, plan: DrillPlan) -> dict[str, Any]:
    async with aclosing(server.follow("drills", plan)) as steps:
        async for step in steps:
            if step.report is not None:
                return step.report
    raise StopFailed("The drill ended without a report.")


async def _verified(server: Connection, document: dict[str, Any]) -> tuple[DrillReport, str]:
    """What was signed, and the id of the key that did; the ledger has the same document."""
    # Here, since it loads the cryptography that no other stop needs.
    from secondbasket.ledger.audit import REPORT
    from secondbasket.ledger.signing import check_document, document_digest, read_public_keys

    keys = await server.get("ledger/keys", LedgerKeys)
    public = [key for each in keys.keys for key in read_public_keys(each.public_key)]
    content, key = check_document(REPORT, document, public)
    report = msgspec.convert(content, DrillReport)
    rows = await server.get("drills", list[DrillRow], limit="10")
    row = next((each for each in rows if each.drill == report.id), None)
    require(
        row is not None and row.sha256 == document_digest(document),
        "the ledger does not have this report",
    )
    return report, key.id


async def _with_a_second(server: Connection) -> BasketStatus:
    """The first chat basket, once two of its upstreams can answer."""
    name = await first_chat_basket(server)
    quiet = 0
    for _ in range(_LOOKS):
        status = await server.status()
        basket = next(each for each in status.baskets if each.name == name)
        if sum(each.state == "ready" for each in basket.upstreams) > 1:
            return basket
        why = [told for other, told in status.unserved.items() if other.startswith(f"{name}@")]
        if why:
            raise StopFailed(f"There is no second basket behind '{name}': {why[0]}")
        loading = any(each.state in ("starting", "restarting") for each in status.replicas)
        # A further engine is begun once nothing else loads.
        quiet = 0 if loading or len(basket.upstreams) > 1 else quiet + 1
        if quiet > _QUIET_LOOKS:
            break
        await anyio.sleep(_BETWEEN_LOOKS_SECONDS)
    raise StopFailed(
        f"There is no second basket behind '{name}'.", hint="`basket lint` says what it lacks."
    )


async def _rested(server: Connection, model: str) -> None:
    """Until everyone behind `model` is ready, or for a while: who was just down is not asked yet,
    and nobody could go on with the answer."""
    for _ in range(_QUIET_LOOKS):
        status = await server.status()
        basket = next(each for each in status.baskets if each.name == model)
        if all(each.state == "ready" for each in basket.upstreams):
            return
        await anyio.sleep(_BETWEEN_LOOKS_SECONDS)


async def _answering(server: Connection, model: str) -> Victim:
    """The engine behind `model` that has a call now."""
    status = await server.status()
    basket = next(each for each in status.baskets if each.name == model)
    busy = [each.name.removeprefix(LOCAL_PREFIX) for each in basket.upstreams if each.in_flight]
    for replica in status.replicas:
        if replica.name in busy and replica.pid is not None:
            return Victim(replica.name, replica.pid, time.monotonic())
    raise StopFailed("No engine of this machine was answering.")


async def _until_back(server: Connection, victim: Victim) -> None:
    """Until another process runs what the victim ran, and is ready."""
    for _ in range(_LOOKS):
        for replica in (await server.status()).replicas:
            ready = replica.state == "ready" and replica.pid not in (None, victim.pid)
            if replica.name == victim.replica and ready:
                return
        await anyio.sleep(_BETWEEN_LOOKS_SECONDS)
    raise StopFailed("The engine did not come back.", hint="`basket status` says why.")
