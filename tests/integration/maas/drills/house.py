"""Two scripted vendors behind the real outbound door, one basket over both, and drills of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from secondbasket.core.data_class import DataClass
from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.core.rules import BasketRules
from secondbasket.egress.cuts import Cuts
from secondbasket.egress.door import Door
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.signing import Signer
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.drills.drills import Drills
from secondbasket.maas.drills.report import Score
from secondbasket.maas.gateway import Gateway
from secondbasket.maas.health import Health
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.upstreams.openai import OpenAIUpstream
from secondbasket.policy.destinations import Destination, DestinationRules
from secondbasket.stores.database import Database
from tests.gateways import nothing_forbidden, open_drills, open_gateway
from tests.scripted_upstream import (
    Exchange,
    ScriptedUpstream,
    delta,
    finish,
    scripted_upstream,
    usage,
)

PIECES = 12
REPLAYING = BasketRules(continuation="replay", idle_seconds=2)


async def speak(exchange: Exchange) -> None:
    """Answers in a few pieces, streamed or plain as it is asked; and probes, which have no body."""
    if not exchange.body:
        await exchange.plain({"data": []})
        return
    if not exchange.json().get("stream"):
        message = {"index": 0, "message": {"content": "blue"}, "finish_reason": "stop"}
        counts = usage(10, 1)["usage"]
        await exchange.plain({"choices": [message], "usage": counts})
        return
    await exchange.begin_stream()
    for number in range(PIECES):
        await exchange.event(delta(f"{number} "))
        await asyncio.sleep(0.01)
    for event in (finish(), usage(10, PIECES), "[DONE]"):
        await exchange.event(event)
    await exchange.end_stream()


@dataclass
class House:
    drills: Drills
    gateway: Gateway
    health: Health
    ledger: Ledger
    cuts: Cuts
    signer: Signer
    folder: Path
    us: ScriptedUpstream
    eu: ScriptedUpstream


@asynccontextmanager
async def house(
    tmp_path: Path,
    database: Database,
    *,
    forbidden: Callable[[DataClass, UpstreamFacts], str | None] = nothing_forbidden,
    score: Score = lambda _basket, _upstream: None,
    rules: BasketRules = REPLAYING,
    keep: int = 10,
) -> AsyncIterator[House]:
    """The basket 'b' has the upstreams 'us' (law US) and 'eu' (law EU, twice the price)."""
    folder, signer, cuts = tmp_path / "drills", Signer.new(), Cuts()
    ledger = Ledger(Journal(tmp_path / "journal"), database)
    budgets, health = Budgets(ledger, currency="USD"), Health()
    async with AsyncExitStack() as stack:
        us, eu = [await stack.enter_async_context(scripted_upstream(speak)) for _ in range(2)]
        places = [Destination("127.0.0.1", each.port) for each in (us, eu)]
        door = Door(DestinationRules(places), ledger.record_decision, cuts=cuts)
        stack.push_async_callback(door.aclose)
        upstreams = []
        for place, name, price in ((us, "us", 1_000_000), (eu, "eu", 2_000_000)):
            facts = UpstreamFacts(
                name=name,
                provider=name,
                vendor=f"Vendor {name}",
                law=name.upper(),
                model="m",
                task="chat",
                context_tokens=4096,
                price=Price(price, price),
            )
            session = door.session(name, base_url=place.base_url, facts=facts)
            upstreams.append(
                OpenAIUpstream(
                    facts, session, base_url=place.base_url, api_key=None, connect_seconds=2
                )
            )
        baskets = Baskets(
            [
                Basket("b", "chat", tuple(upstreams), rules=rules),
                Basket("alone", "chat", (upstreams[0],)),
            ]
        )
        drills = open_drills(
            folder,
            baskets=baskets,
            budgets=budgets,
            ledger=ledger,
            cuts=cuts,
            signer=signer,
            forbidden=forbidden,
            score=score,
            keep=keep,
        )

        def record(receipt: Receipt) -> None:
            ledger.record(receipt)
            drills.hear(receipt)

        gateway = open_gateway(
            baskets=baskets,
            budgets=budgets,
            in_flight=InFlight(),
            record=record,
            health=health,
            forbidden=forbidden,
            unasked=drills.miss,
        )
        tasks = await stack.enter_async_context(anyio.create_task_group())
        await tasks.start(drills.run)
        try:
            yield House(drills, gateway, health, ledger, cuts, signer, folder, us, eu)
        finally:
            tasks.cancel_scope.cancel()
    await ledger.close()
