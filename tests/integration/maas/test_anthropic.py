"""An upstream of the Messages wire, as an operator configures it and as a basket asks it."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secondbasket.core.chat import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Fold,
    Message,
    Sampling,
)
from secondbasket.core.key import Key
from secondbasket.core.money import Price
from secondbasket.core.plugins import load
from secondbasket.core.ports import Upstream, UpstreamFacts, WireMeter
from secondbasket.core.receipt import Receipt
from secondbasket.core.rules import BasketRules
from secondbasket.core.usage import Usage
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import UnsupportedField, UpstreamBroken
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.gateway import Gateway
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.upstreams.anthropic import AnthropicUpstream
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
QUESTION = ChatRequest(model="b", messages=(Message(role="user", content="hi"),), stream=True)


async def anthropic_answer(exchange: Exchange) -> None:
    await exchange.begin_stream()
    for event in (
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}}
            for t in ("Good ", "day")
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop"},
    ):
        await exchange.event(event)
    await exchange.end_stream()


async def openai_answer(exchange: Exchange) -> None:
    await exchange.begin_stream()
    for event in (delta("Hello"), finish(), usage(4, 1), "[DONE]"):
        await exchange.event(event)
    await exchange.end_stream()


def facts(name: str = "one", **more: Any) -> UpstreamFacts:
    given: dict[str, Any] = {
        "name": name,
        "provider": name,
        "law": "US",
        "model": "claude-sonnet-5-5",
        "task": "chat",
        "context_tokens": 200_000,
        "price": Price(10**6, 10**6),
    }
    return UpstreamFacts(**given | more)


@asynccontextmanager
async def asked(
    script: Script = anthropic_answer, path: str = "", **more: Any
) -> AsyncIterator[tuple[AnthropicUpstream, ScriptedUpstream]]:
    async with scripted_upstream(script) as server, loopback_session() as session:
        base_url = server.base_url.removesuffix("/v1") + path
        upstream = AnthropicUpstream(
            facts(**more), session, base_url=base_url, api_key="sk-ant-1", connect_seconds=2
        )
        yield upstream, server


async def ask(upstream: Upstream, request: ChatRequest = QUESTION) -> tuple[str, Usage | None]:
    fold, used = Fold(), None
    async for chunk in upstream.chat(request, WireMeter()):
        fold.add(chunk)
        used = chunk.usage or used
    return fold.choices()[0].text, used


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_its_address_may_end_as_anthropics_sdks_have_it(path: str) -> None:
    async with asked(path=path) as (upstream, server):
        assert await ask(upstream) == ("Good day", Usage(3, 2))
        (exchange,) = server.exchanges
    assert exchange.path == "/v1/messages"
    assert exchange.headers["x-api-key"] == "sk-ant-1"
    assert exchange.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in exchange.headers


@pytest.mark.parametrize(
    ("context", "given", "most"),
    [(0, None, 16_384), (200_000, None, 16_384), (4_096, None, 2_048), (4_096, 100, 100)],
)
async def test_an_answer_is_bounded_by_caller_or_context(
    context: int, given: int | None, most: int
) -> None:
    async with asked(context_tokens=context) as (upstream, server):
        request = msgspec.structs.replace(QUESTION, sampling=Sampling(max_tokens=given))
        await ask(upstream, request)
        assert server.exchanges[0].json()["max_tokens"] == most


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("claude-sonnet-4-5-20250929", True),
        ("claude-opus-4-20250514", True),
        ("claude-opus-4-6", True),
        ("claude-opus-4-7", False),
        ("claude-sonnet-5", False),
        ("anthropic.claude-haiku-5-5-v1:0", False),
        ("claude-fable-5-1", False),
        ("smollm2-135m-instruct", True),
    ],
)
async def test_sampling_goes_to_models_that_take_it(model: str, takes: bool) -> None:
    async with asked(model=model) as (upstream, server):
        request = msgspec.structs.replace(QUESTION, sampling=Sampling(temperature=0.2))
        await ask(upstream, request)
        assert ("temperature" in server.exchanges[0].json()) is takes


async def test_what_it_cannot_be_asked_is_known_before_it_is_asked() -> None:
    async with asked() as (upstream, server):
        assert upstream.unfit(QUESTION) is None
        half = (*QUESTION.messages, Message(role="assistant", content="Go"))
        for request in (
            msgspec.structs.replace(QUESTION, sampling=Sampling(seed=7)),
            msgspec.structs.replace(QUESTION, messages=half),
            CompletionRequest(model="b", prompts=("x",)),
            EmbeddingRequest(model="b", inputs=("x",)),
        ):
            error = upstream.unfit(request)
            assert isinstance(error, UnsupportedField)
            assert error.hint
        assert not server.exchanges


def test_it_is_found_by_its_name() -> None:
    kinds = load("secondbasket.upstreams", ("anthropic", "openai"))
    assert [kinds[name].create for name in ("anthropic", "openai")] == [
        AnthropicUpstream,
        OpenAIUpstream,
    ]


@dataclass
class House:
    gateway: Gateway
    one: ScriptedUpstream
    two: ScriptedUpstream
    receipts: list[Receipt] = field(default_factory=list)

    async def ask(self, request: ChatRequest) -> str:
        fold = Fold()
        async with await self.gateway.chat(KEY, request) as answer:
            async for chunk in answer:
                fold.add(chunk)
        return fold.choices()[0].text


@asynccontextmanager
async def house(tmp_path: Path, script: Script = anthropic_answer) -> AsyncIterator[House]:
    """An Anthropic upstream, and behind it one of the other wire."""
    async with AsyncExitStack() as stack:
        database = Database(f"sqlite:///{tmp_path}/ledger.db")
        await database.migrate()
        ledger = Ledger(Journal(tmp_path / "journal"), database)
        stack.callback(database.close)
        stack.push_async_callback(ledger.close)
        session = await stack.enter_async_context(loopback_session())
        one = await stack.enter_async_context(scripted_upstream(script))
        two = await stack.enter_async_context(scripted_upstream(openai_answer))
        given: dict[str, Any] = {"api_key": "k", "connect_seconds": 2.0}
        upstreams = (
            AnthropicUpstream(facts("one"), session, base_url=one.base_url, **given),
            OpenAIUpstream(facts("two"), session, base_url=two.base_url, **given),
        )
        rules = BasketRules(first_token_seconds=2, idle_seconds=2, continuation="replay")
        receipts: list[Receipt] = []
        gateway = open_gateway(
            baskets=Baskets([Basket("b", "chat", upstreams, rules=rules)]),
            budgets=Budgets(ledger, currency="USD"),
            in_flight=InFlight(),
            record=receipts.append,
        )
        yield House(gateway, one, two, receipts)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_basket_asks_it_like_any_other(tmp_path: Path, stream: bool) -> None:
    async with house(tmp_path) as home:
        assert await home.ask(msgspec.structs.replace(QUESTION, stream=stream)) == "Good day"
        (receipt,) = home.receipts
        assert (receipt.upstream, receipt.usage, receipt.usage_exact) == ("one", Usage(3, 2), True)


async def test_what_its_wire_lacks_is_asked_of_the_next(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        request = msgspec.structs.replace(QUESTION, sampling=Sampling(seed=7))
        assert await home.ask(request) == "Hello"
        (receipt,) = home.receipts
        assert "seed" in receipt.passed_over["one"]
        assert not home.one.exchanges


async def test_a_refusal_of_its_provider_is_an_answer_and_nobody_else_is_asked(
    tmp_path: Path,
) -> None:
    async def refusing(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for event in (
            {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "refusal", "stop_details": {"explanation": "No."}},
                "usage": {"output_tokens": 0},
            },
            {"type": "message_stop"},
        ):
            await exchange.event(event)
        await exchange.end_stream()

    async with house(tmp_path, refusing) as home:
        assert await home.ask(QUESTION) == ""
        assert not home.two.exchanges
        assert home.receipts[0].outcome == "completed"


async def test_a_broken_stream_goes_on_with_the_other_wire(tmp_path: Path) -> None:
    async def breaking(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for event in (
            {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "A whole sentence first. "},
            },
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
        ):
            await exchange.event(event)
        await exchange.end_stream()

    async def repeating(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for event in (delta("A whole sentence first. Hello"), finish(), usage(4, 6), "[DONE]"):
            await exchange.event(event)
        await exchange.end_stream()

    async with house(tmp_path, breaking) as home:
        home.two.script = repeating
        assert await home.ask(QUESTION) == "A whole sentence first. Hello"
        first, second = home.receipts[0].hops
        assert (first.error, second.outcome) == ("upstream_limited", "completed")
        replayed = json.dumps(home.two.exchanges[0].json()["messages"])
        assert "A whole sentence first. " in replayed


async def test_a_continuation_that_cannot_be_joined_is_no_answer(tmp_path: Path) -> None:
    async def breaking(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for event in (
            {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "A whole sentence first. "},
            },
        ):
            await exchange.event(event)
        exchange.reset()

    async with house(tmp_path, breaking) as home:
        with pytest.raises(UpstreamBroken):
            await home.ask(QUESTION)
        assert [hop.outcome for hop in home.receipts[0].hops] == ["upstream_failed"] * 2
