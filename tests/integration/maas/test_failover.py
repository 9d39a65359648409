"""Two scripted vendors behind one name: what one leaves undone the other does, or the caller hears.

The whole catalogue of faults is in tests/faults; here are the rules themselves.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from secondbasket.core.chat import (
    ChatRequest,
    CompletionRequest,
    Fold,
    Message,
    ResponseFormat,
    Sampling,
    ToolSpec,
)
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.core.rules import BasketRules
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import (
    AllUpstreamsFailed,
    PolicyRefused,
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.gateway import Gateway
from secondbasket.maas.health import Health, HealthRules
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.upstreams.openai import OpenAIUpstream
from secondbasket.stores.database import Database
from tests.gateways import open_gateway
from tests.scripted_upstream import (
    Exchange,
    Script,
    ScriptedUpstream,
    delta,
    finish,
    scripted_upstream,
    usage,
)

pytestmark = pytest.mark.anyio

KEY = Key(
    id="key_1", name="tests", role="user", budget=10**9, currency="USD", created_at="2026-11-24"
)
WORDS = [f"w{number:02d} " for number in range(60)]


def words_after(exchange: Exchange) -> list[str]:
    """What a model would go on with: the words that do not stand in the last assistant message."""
    messages = exchange.json()["messages"]
    said = "".join(m["content"] for m in messages if m["role"] == "assistant")
    return WORDS[said.count("w") :]


async def whole(exchange: Exchange) -> None:
    left = words_after(exchange)
    if not exchange.json().get("stream"):
        answer = {"message": {"content": "".join(left)}, "finish_reason": "stop"}
        await exchange.plain(
            {
                "choices": [{"index": 0} | answer],
                "usage": {"prompt_tokens": 5, "completion_tokens": len(left)},
            }
        )
        return
    await exchange.begin_stream()
    for word in left:
        await exchange.event(delta(word))
    for event in (finish(), usage(5, len(left)), "[DONE]"):
        await exchange.event(event)
    await exchange.end_stream()


def cut_after(count: int) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for word in WORDS[:count]:
            await exchange.event(delta(word))
        exchange.reset()

    return script


def failing(status: int, headers: str = "") -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.plain({"error": {"message": "no"}}, status=status, headers=headers)

    return script


async def hang(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.closed_by_client.wait()


@dataclass
class House:
    gateway: Gateway
    health: Health
    budgets: Budgets
    first: ScriptedUpstream
    second: ScriptedUpstream
    receipts: list[Receipt] = field(default_factory=list)

    async def ask(self, request: ChatRequest, floor: DataClass = DataClass.PUBLIC) -> str:
        fold = Fold()
        async with await self.gateway.chat(KEY, request, floor=floor) as answer:
            async for chunk in answer:
                fold.add(chunk)
        assert self.balanced()
        return "|".join(choice.text for choice in fold.choices())

    def balanced(self) -> bool:
        balance = self.budgets.balance(KEY.id)
        return not balance.reserved and balance.spent == sum(each.cost for each in self.receipts)

    @property
    def receipt(self) -> Receipt:
        return self.receipts[-1]


@asynccontextmanager
async def house(
    tmp_path: Path,
    first: Script,
    second: Script = whole,
    *,
    prefill: bool = True,
    **rules: Any,
) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        database = Database(f"sqlite:///{tmp_path}/ledger.db")
        await database.migrate()
        ledger = Ledger(Journal(tmp_path / "journal"), database)
        stack.callback(database.close)
        stack.push_async_callback(ledger.close)
        session = await stack.enter_async_context(loopback_session())
        servers = [
            await stack.enter_async_context(scripted_upstream(script)) for script in (first, second)
        ]
        upstreams = tuple(
            OpenAIUpstream(
                UpstreamFacts(
                    name=name,
                    provider=name,
                    law=law,
                    model="inner",
                    task="chat",
                    context_tokens=1000,
                    prefill=prefill,
                    price=Price(price, price),
                ),
                session,
                base_url=server.base_url,
                api_key="provider-key",
                connect_seconds=2,
            )
            for name, law, price, server in zip(
                ("one", "two"), ("US", "FR"), (10**6, 10**7), servers, strict=True
            )
        )
        allowed = BasketRules(**{"first_token_seconds": 0.3, "idle_seconds": 0.3} | rules)
        budgets = Budgets(ledger, currency="USD")
        receipts: list[Receipt] = []

        def record(receipt: Receipt) -> None:
            ledger.record(receipt)
            receipts.append(receipt)

        def forbidden(data_class: DataClass, facts: UpstreamFacts) -> str | None:
            forbids = data_class is DataClass.CONFIDENTIAL and facts.law != "FR"
            return "rule 'eu': law is not FR" if forbids or data_class is DataClass.SECRET else None

        health = Health(HealthRules(failures_to_open=3, open_seconds=1.0))
        yield House(
            open_gateway(
                baskets=Baskets([Basket("b", "chat", upstreams, rules=allowed)]),
                budgets=budgets,
                in_flight=InFlight(),
                record=record,
                health=health,
                forbidden=forbidden,
            ),
            health,
            budgets,
            servers[0],
            servers[1],
            receipts,
        )


def asking(*, stream: bool = True, **more: Any) -> ChatRequest:
    return ChatRequest(
        model="b",
        messages=(Message(role="user", content="count"),),
        sampling=Sampling(max_tokens=100),
        stream=stream,
        **more,
    )


@pytest.mark.parametrize(
    ("fault", "stream"),
    [
        (fault, stream)
        for fault in (hang, failing(500), failing(429), failing(503), cut_after(0))
        for stream in (True, False)
    ],
)
async def test_what_fails_before_the_first_token_is_answered_by_the_next(
    tmp_path: Path, fault: Script, stream: bool
) -> None:
    async with house(tmp_path, fault) as home:
        assert await home.ask(asking(stream=stream)) == "".join(WORDS)
        one, two = home.receipt.hops
        assert (one.upstream, one.outcome, one.cost) == ("one", "upstream_failed", 0)
        assert (two.upstream, two.outcome, two.cost) == ("two", "completed", 65 * 10)
        assert two.decision == f"after {one.error} of one"
        assert not two.goes_on
        assert (home.receipt.upstream, home.receipt.cost) == ("two", 65 * 10)


async def test_a_broken_text_goes_on_without_a_gap_or_a_repeat(tmp_path: Path) -> None:
    async with house(tmp_path, cut_after(40)) as home:
        assert await home.ask(asking()) == "".join(WORDS)
        one, two = home.receipt.hops
        assert (one.output_tokens, one.usage_exact, one.cost) == (40, False, 40)
        assert (two.output_tokens, two.usage_exact, two.cost) == (20, True, 250)
        assert home.receipt.cost == 290
        assert two.decision == "goes on after upstream_broken of one"
        assert (one.goes_on, two.goes_on) == (False, True)
        sent = home.second.exchanges[0].json()
        assert sent["messages"][-1] == {"role": "assistant", "content": "".join(WORDS[:40])}
        assert sent["max_tokens"] == 60


async def test_a_broken_text_completion_goes_on_from_its_own_text(tmp_path: Path) -> None:
    """Anywhere, even where conversations cannot be gone on with: a prompt is only text."""

    async def first(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for word in WORDS[:40]:
            await exchange.event({"choices": [{"index": 0, "text": word}]})
        exchange.reset()

    async def second(exchange: Exchange) -> None:
        begun = exchange.json()["prompt"]
        assert begun == "count " + "".join(WORDS[:40])
        await exchange.begin_stream()
        for word in WORDS[40:]:
            await exchange.event({"choices": [{"index": 0, "text": word}]})
        await exchange.event({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]})
        await exchange.end_stream()

    async with house(tmp_path, first, second, prefill=False) as home:
        asked = CompletionRequest(
            model="b", prompts=("count ",), sampling=Sampling(max_tokens=100), stream=True
        )
        fold = Fold()
        async with await home.gateway.complete(KEY, asked) as answer:
            async for chunk in answer:
                fold.add(chunk)
        assert fold.choices()[0].text == "".join(WORDS)
        assert home.second.exchanges[0].json()["max_tokens"] == 60


async def test_the_money_for_a_continuation_covers_what_is_read_again(tmp_path: Path) -> None:
    reserved: dict[int, int] = {}

    async def second(exchange: Exchange) -> None:
        reserved[cut] = home.budgets.balance(KEY.id).reserved
        await whole(exchange)

    for cut in (0, 40):
        (tmp_path / str(cut)).mkdir()
        async with house(tmp_path / str(cut), cut_after(cut), second) as home:
            await home.ask(asking())
    # A byte may be a token, at ten nano-units each.
    assert reserved[40] >= reserved[0] + len("".join(WORDS[:40])) * 10


@pytest.mark.parametrize("more", [{"echo": True}, {"sampling": Sampling(n=2)}])
async def test_a_completion_that_is_not_one_text_ends_with_the_error(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    async def first(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event({"choices": [{"index": 0, "text": "a"}]})
        exchange.reset()

    async with house(tmp_path, first) as home:
        asked = CompletionRequest(model="b", prompts=("count ",), stream=True, **more)
        with pytest.raises(UpstreamError):
            async with await home.gateway.complete(KEY, asked) as answer:
                async for _ in answer:
                    pass
        assert not home.second.exchanges
        assert home.balanced()


async def test_who_only_said_that_it_would_speak_is_not_told_as_the_answerer(
    tmp_path: Path,
) -> None:
    async def first(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
        await exchange.closed_by_client.wait()

    async with house(tmp_path, first) as home, await home.gateway.chat(KEY, asking()) as answer:
        await anext(answer)
        assert answer.account.facts.name == "two"


async def test_a_plain_call_that_breaks_starts_anew(tmp_path: Path) -> None:
    async with house(tmp_path, cut_after(40)) as home:
        assert await home.ask(asking(stream=False)) == "".join(WORDS)
        assert home.second.exchanges[0].json()["messages"][-1]["role"] == "user"


@pytest.mark.parametrize(
    ("more", "rules"),
    [
        ({"response_format": ResponseFormat("json_object")}, {}),
        ({}, {"continuation": "none"}),
    ],
)
async def test_what_cannot_go_on_ends_with_the_error(
    tmp_path: Path, more: dict[str, Any], rules: dict[str, Any]
) -> None:
    async with house(tmp_path, cut_after(40), **rules) as home:
        with pytest.raises(UpstreamBroken):
            await home.ask(asking(**more))
        assert home.receipt.outcome == "upstream_failed"
        assert not home.second.exchanges
        assert home.balanced()


async def test_a_broken_tool_call_is_never_gone_on_with(tmp_path: Path) -> None:
    async def script(exchange: Exchange) -> None:
        call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a'}}
        await exchange.begin_stream()
        await exchange.event(
            {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
        )
        exchange.reset()

    async with house(tmp_path, script) as home:
        with pytest.raises(UpstreamBroken):
            await home.ask(asking(tools=(ToolSpec(name="f"),)))
        assert not home.second.exchanges


async def test_a_stream_that_stands_still_goes_on_elsewhere(tmp_path: Path) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for word in WORDS[:20]:
            await exchange.event(delta(word))
        await exchange.closed_by_client.wait()

    async with house(tmp_path, script) as home:
        assert await home.ask(asking()) == "".join(WORDS)
        assert home.receipt.hops[0].error == UpstreamTimeout.code


@pytest.mark.parametrize("status", [400, 422])
async def test_what_the_caller_did_wrong_is_asked_of_nobody_else(
    tmp_path: Path, status: int
) -> None:
    async with house(tmp_path, failing(status)) as home:
        with pytest.raises(UpstreamRejected):
            await home.ask(asking())
        assert not home.second.exchanges
        assert home.balanced()


async def test_when_all_fail_the_error_holds_every_attempt(tmp_path: Path) -> None:
    async with house(tmp_path, failing(500), failing(502)) as home:
        with pytest.raises(AllUpstreamsFailed) as caught:
            await home.ask(asking())
        assert [name for name, _ in caught.value.attempts] == ["one", "two"]
        assert [hop.outcome for hop in home.receipt.hops] == ["upstream_failed"] * 2
        assert home.balanced()


@pytest.mark.parametrize(
    ("told", "calls"), [("", 1), ("Retry-After: 0.2\r\n", 2), ("Retry-After: 20\r\n", 1)]
)
async def test_who_is_busy_is_asked_again_only_when_it_said_when_and_once(
    tmp_path: Path, told: str, calls: int
) -> None:
    busy = failing(429, told)
    async with house(tmp_path, busy, busy) as home:
        with pytest.raises(AllUpstreamsFailed):
            await home.ask(asking())
        assert len(home.first.exchanges) == calls
        assert len(home.second.exchanges) == calls


async def test_a_dying_upstream_gets_no_storm_and_recovers(tmp_path: Path) -> None:
    async with house(tmp_path, failing(500)) as home:
        for _ in range(30):
            await home.ask(asking())
        assert len(home.first.exchanges) <= 3 + 4  # until the breaker opens, and a few trials
        assert any("breaker" in each.passed_over.get("one", "") for each in home.receipts)
        home.first.script = whole
        while home.health.of("one").state != "closed":
            await asyncio.sleep(0.05)
            await home.ask(asking())
        assert home.receipt.upstream == "one"


async def test_who_writes_more_than_was_asked_for_is_not_paid_for_it(tmp_path: Path) -> None:
    async def flood(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for _ in range(400):
            await exchange.event(delta("x"))
        for event in (finish(), "[DONE]"):
            await exchange.event(event)
        await exchange.end_stream()

    few = ChatRequest(
        model="b",
        messages=(Message(role="user", content="count"),),
        sampling=Sampling(max_tokens=3),
        stream=True,
    )
    async with house(tmp_path, flood) as home:
        await home.ask(few)
        assert home.receipt.output_tokens == 3
        assert not home.receipt.usage_exact


async def test_a_trial_that_speaks_keeps_nobody_else_out(tmp_path: Path) -> None:
    """Or one caller who reads slowly, or asks for much, would keep an upstream switched off."""
    ill, slow = True, asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if ill:
            await exchange.plain({"error": {"message": "no"}}, status=500)
            return
        if not exchange.json().get("user"):
            await whole(exchange)
            return
        await exchange.begin_stream()
        for word in WORDS:
            await exchange.event(delta(word))
            if not slow.is_set():
                await asyncio.wait_for(slow.wait(), 5)
        for event in (finish(), "[DONE]"):
            await exchange.event(event)
        await exchange.end_stream()

    async with house(tmp_path, script, idle_seconds=5.0) as home:
        for _ in range(3):
            await home.ask(asking())
        assert home.health.of("one").state == "open"
        ill = False
        await asyncio.sleep(1.05)
        async with await home.gateway.chat(KEY, asking(extra={"user": "slow"})) as trial:
            chunks = aiter(trial)
            await anext(chunks)
            for other in ("two", "one"):  # one trial a pause
                async with await home.gateway.chat(KEY, asking()) as answer:
                    async for _ in answer:
                        pass
                assert home.receipt.upstream == other
                await asyncio.sleep(1.05)
            assert home.health.of("one").state == "closed"
            slow.set()
            async for _ in chunks:
                pass
        assert home.balanced()


@pytest.mark.parametrize(
    "logprobs", [{"content": 5}, {"content": [5]}, {"content": [{"top_logprobs": 1}]}]
)
@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities_of_another_form_are_a_broken_answer(
    tmp_path: Path, logprobs: Any, stream: bool
) -> None:
    async def script(exchange: Exchange) -> None:
        odd = delta("x")
        odd["choices"][0]["logprobs"] = logprobs
        await exchange.begin_stream()
        for event in (odd, odd, finish(), "[DONE]"):
            await exchange.event(event)
        await exchange.end_stream()

    async with house(tmp_path, script) as home:
        await home.ask(asking(stream=stream))
        assert home.receipt.upstream == "two"


async def test_no_hop_leads_where_policy_forbids(tmp_path: Path) -> None:
    async with house(tmp_path, whole, cut_after(40)) as home:
        with pytest.raises(UpstreamBroken):
            await home.ask(asking(), DataClass.CONFIDENTIAL)
        assert not home.first.exchanges
        assert home.receipt.passed_over == {"one": "rule 'eu': law is not FR"}
        assert home.receipt.data_class == "confidential"
        with pytest.raises(PolicyRefused, match="secret"):
            await home.ask(asking(), DataClass.SECRET)
        assert len(home.second.exchanges) == 1
        assert home.balanced()


async def test_a_replayed_answer_is_joined_at_its_seam(tmp_path: Path) -> None:
    async def replays(exchange: Exchange) -> None:
        asked = json.loads(exchange.body)["messages"][-1]["content"]
        again = asked.partition("<last_words>")[2].partition("</last_words>")[0]
        await exchange.begin_stream()
        for text in (again, " ", *WORDS[40:]):
            await exchange.event(delta(text))
        for event in (finish(), usage(5, 20), "[DONE]"):
            await exchange.event(event)
        await exchange.end_stream()

    async with house(
        tmp_path, cut_after(40), replays, prefill=False, continuation="replay"
    ) as home:
        assert await home.ask(asking()) == "".join(WORDS)
