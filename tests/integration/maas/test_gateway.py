"""The gateway over a scripted upstream: what breaks there never breaks the books here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from secondbasket.core.chat import ChatRequest, Fold, Message, Sampling
from secondbasket.core.key import Key
from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.core.rules import BasketRules
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import (
    BudgetExceeded,
    KeyRevoked,
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
)
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.gateway import Gateway
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.upstreams.openai import OpenAIUpstream
from secondbasket.stores.database import Database
from tests.gateways import open_gateway
from tests.scripted_upstream import Exchange, Script, delta, finish, scripted_upstream, usage

pytestmark = pytest.mark.anyio

KEY = Key(
    id="key_1",
    name="tests",
    role="user",
    budget=10**9,
    currency="USD",
    created_at="2026-11-22T00:00:00.000Z",
)


RULES = BasketRules(first_token_seconds=1, idle_seconds=1)


@dataclass
class House:
    gateway: Gateway
    budgets: Budgets
    in_flight: InFlight
    receipts: list[Receipt]

    def balanced(self) -> bool:
        """Nothing is still set aside, and what was spent is what the receipts say."""
        balance = self.budgets.balance(KEY.id)
        return not balance.reserved and balance.spent == sum(each.cost for each in self.receipts)


@asynccontextmanager
async def house(tmp_path: Path, script: Script) -> AsyncIterator[House]:
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    await database.migrate()
    ledger = Ledger(Journal(tmp_path / "journal"), database)
    budgets, in_flight, receipts = Budgets(ledger, currency="USD"), InFlight(), []
    async with scripted_upstream(script) as upstream, loopback_session() as session:
        facts = UpstreamFacts(
            name="u",
            provider="p",
            law="US",
            model="inner",
            task="chat",
            context_tokens=1000,
            price=Price(1_000_000, 2_000_000),
        )
        scripted = OpenAIUpstream(
            facts,
            session,
            base_url=upstream.base_url,
            api_key="provider-key",
            connect_seconds=2,
        )

        def record(receipt: Receipt) -> None:
            ledger.record(receipt)
            receipts.append(receipt)

        gateway = open_gateway(
            baskets=Baskets([Basket("b", "chat", (scripted,), rules=RULES)]),
            budgets=budgets,
            in_flight=in_flight,
            record=record,
        )
        yield House(gateway, budgets, in_flight, receipts)
    await ledger.close()
    database.close()


def ask(*, stream: bool = True, n: int = 1) -> ChatRequest:
    return ChatRequest(
        model="b",
        messages=(Message(role="user", content="hello"),),
        sampling=Sampling(max_tokens=50, n=n),
        stream=stream,
    )


async def run(home: House, request: ChatRequest) -> str:
    fold = Fold()
    async with await home.gateway.chat(KEY, request) as answer:
        async for chunk in answer:
            fold.add(chunk)
    return "|".join(choice.text for choice in fold.choices())


async def test_a_whole_stream_is_counted_as_the_upstream_says(tmp_path: Path) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for event in (delta("a"), delta("b"), finish(), usage(7, 2), "[DONE]"):
            await exchange.event(event)
        await exchange.end_stream()

    async with house(tmp_path, script) as home:
        assert await run(home, ask()) == "ab"
        (receipt,) = home.receipts
        assert (receipt.input_tokens, receipt.output_tokens) == (7, 2)
        assert receipt.usage_exact
        assert receipt.cost == 7 + 4
        assert home.balanced()


async def test_the_end_is_not_handed_on_before_it_is_on_record(tmp_path: Path) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for event in (delta("a"), finish(), usage(1, 1), "[DONE]"):
            await exchange.event(event)
        await exchange.end_stream()

    async with house(tmp_path, script) as home, await home.gateway.chat(KEY, ask()) as answer:
        async for chunk in answer:
            ended = any(choice.finish_reason for choice in chunk.choices)
            assert bool(home.receipts) is ended or not chunk.choices


async def break_off(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.event(delta("a"))
    exchange.reset()


async def end_early(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.event(delta("a"))
    await exchange.end_stream()


async def rubbish(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.event(delta("a"))
    await exchange.event("{not json")
    await exchange.end_stream()


async def false_success(exchange: Exchange) -> None:
    await exchange.plain({"error": {"message": "overheated"}})


async def no_end_of_events(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.event(finish())
    for _ in range(1000):
        await exchange.event(delta("x"))


async def impossible_counts(exchange: Exchange) -> None:
    await exchange.begin_stream()
    for event in (delta("a"), finish(), usage(-(10**9), 2**63), "[DONE]"):
        await exchange.event(event)
    await exchange.end_stream()


async def server_error(exchange: Exchange) -> None:
    await exchange.plain({"error": {"message": "no"}}, status=500)


async def redirected(exchange: Exchange) -> None:
    await exchange.plain({}, status=302, headers="Location: http://127.0.0.1:1/\r\n")


async def stall(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.event(delta("a"))
    await asyncio.sleep(30)


@pytest.mark.parametrize(
    "script",
    [
        break_off,
        end_early,
        rubbish,
        false_success,
        server_error,
        redirected,
        stall,
    ],
)
async def test_whatever_breaks_is_an_error_and_the_books_balance(
    tmp_path: Path, script: Script
) -> None:
    async with house(tmp_path, script) as home:
        with pytest.raises(UpstreamError):
            await run(home, ask())
        (receipt,) = home.receipts
        assert receipt.outcome == "upstream_failed"
        assert receipt.error
        assert receipt.cost >= 0
        assert home.balanced()
        assert not len(home.in_flight)


async def test_a_whole_answer_with_impossible_counts_is_billed_for_its_pieces(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, impossible_counts) as home:
        assert await run(home, ask()) == "a"
        (receipt,) = home.receipts
        assert (receipt.outcome, receipt.output_tokens) == ("completed", 1)
        assert not receipt.usage_exact
        assert home.balanced()


async def test_what_comes_after_the_end_is_not_read(tmp_path: Path) -> None:
    async with house(tmp_path, no_end_of_events) as home:
        assert await run(home, ask()) == ""
        (receipt,) = home.receipts
        assert receipt.outcome == "completed"
        assert not receipt.usage_exact
        assert home.balanced()


async def test_what_the_upstream_blames_the_caller_for_is_final_and_free(tmp_path: Path) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.plain({"error": {"message": "bad words"}}, status=400)

    async with house(tmp_path, script) as home:
        with pytest.raises(UpstreamRejected, match="bad words"):
            await run(home, ask())
        assert all(receipt.cost == 0 for receipt in home.receipts)
        assert home.balanced()


async def test_repeated_finishes_of_one_choice_do_not_hold_the_other(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(finish())
        await exchange.event(finish())
        await exchange.event({"choices": [{"index": 1, "delta": {"content": "b"}}]})
        await more.wait()
        for event in (
            {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]},
            usage(1, 2),
            "[DONE]",
        ):
            await exchange.event(event)
        await exchange.end_stream()

    async with house(tmp_path, script) as home, await home.gateway.chat(KEY, ask(n=2)) as answer:
        async for chunk in answer:
            if any(choice.text == "b" for choice in chunk.choices):
                more.set()
    assert more.is_set()


async def test_leaving_hangs_up_and_bills_what_came(tmp_path: Path) -> None:
    hung_up = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta("a"))
        try:
            await asyncio.sleep(30)
        finally:
            hung_up.set()

    async with house(tmp_path, script) as home:
        async with await home.gateway.chat(KEY, ask()) as answer:
            async for _ in answer:
                answer.abandon()
        await asyncio.wait_for(hung_up.wait(), 5)
        (receipt,) = home.receipts
        assert receipt.outcome == "client_closed"
        assert receipt.output_tokens == 1
        assert not receipt.usage_exact
        assert home.balanced()


async def test_a_revoked_key_ends_its_calls(tmp_path: Path) -> None:
    async with house(tmp_path, stall) as home:
        with pytest.raises(KeyRevoked):
            async with await home.gateway.chat(KEY, ask()) as answer:
                async for _ in answer:
                    home.in_flight.revoke(KEY.id)
        (receipt,) = home.receipts
        assert receipt.outcome == "revoked"
        assert home.balanced()
        assert not len(home.in_flight)


async def test_a_refused_budget_reserves_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, server_error) as home:
        poor = Key(
            id=KEY.id, name="poor", role="user", budget=3, currency="USD", created_at=KEY.created_at
        )
        with pytest.raises(BudgetExceeded):
            async with await home.gateway.chat(poor, ask()):
                pass
        assert home.balanced()
        assert not home.receipts
        assert not len(home.in_flight)


async def test_an_answer_that_is_never_entered_holds_no_money(tmp_path: Path) -> None:
    async with house(tmp_path, server_error) as home:
        await home.gateway.chat(KEY, ask())
        assert home.balanced()


async def test_a_plain_answer_without_an_end_is_broken(tmp_path: Path) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.plain({"choices": [{"index": 0, "message": {"content": "a"}}]})

    async with house(tmp_path, script) as home:
        with pytest.raises(UpstreamBroken):
            await run(home, ask(stream=False))
        assert home.balanced()
