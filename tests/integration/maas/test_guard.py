"""Threat 22: a confidential request never leaves; and whatever kept it is on record, without it.

A machine of ours and a vendor outside behind one name, both real HTTP servers.
"""

from collections.abc import AsyncIterator, Mapping
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
    Message,
    Sampling,
)
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.key import Key
from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.core.rules import BasketRules
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import BasketError, PolicyRefused, UpstreamError
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.gateway import Gateway
from secondbasket.maas.guard import Guard
from secondbasket.maas.health import Health
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.routing import Router
from secondbasket.maas.upstreams.openai import OpenAIUpstream
from secondbasket.policy.policy import Policy, load_detectors
from secondbasket.policy.rules import OWN_MACHINES, Rule
from secondbasket.stores.database import Database
from tests.scripted_upstream import Exchange, Script, ScriptedUpstream, delta, scripted_upstream
from tests.sensitive import EXAMPLES

pytestmark = pytest.mark.anyio

PUBLIC, INTERNAL, CONFIDENTIAL, SECRET = DataClass
KEY = Key(id="key_1", name="k", role="user", budget=10**12, currency="USD", created_at="2026-11-24")
IBAN = EXAMPLES["iban"][0]
DETECTORS = load_detectors().values()


async def answering(exchange: Exchange) -> None:
    if exchange.path.endswith("/embeddings"):
        data = [{"index": 0, "embedding": [0.5]}]
        await exchange.plain({"data": data, "usage": {"prompt_tokens": 1}})
    elif exchange.json().get("stream"):
        await exchange.begin_stream()
        for event in (
            delta("fine"),
            {"choices": [{"index": 0, "finish_reason": "stop"}]},
            "[DONE]",
        ):
            await exchange.event(event)
        await exchange.end_stream()
    else:
        choice = {"index": 0, "text": "fine", "message": {"content": "fine"}}
        await exchange.plain({"choices": [choice | {"finish_reason": "stop"}]})


async def failing(exchange: Exchange) -> None:
    await exchange.plain({"error": {"message": "no"}}, status=500)


async def breaking(exchange: Exchange) -> None:
    await exchange.begin_stream()
    for word in ("half ", "an ", "answer "):
        await exchange.event(delta(word))
    exchange.reset()


@dataclass
class House:
    gateway: Gateway
    guard: Guard
    ours: ScriptedUpstream
    outside: ScriptedUpstream
    decisions: list[Decision] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    refused: list[DataClass] = field(default_factory=list)

    async def ask(self, words: str, *, key: Key = KEY, floor: DataClass = PUBLIC) -> str:
        request = asking(words)
        text = ""
        async with await self.gateway.chat(key, request, floor=floor) as answer:
            async for chunk in answer:
                text += "".join(choice.text for choice in chunk.choices)
        return text

    @property
    def left(self) -> list[bytes]:
        """What the vendor outside was sent."""
        return [exchange.body for exchange in self.outside.exchanges]


def asking(words: str) -> ChatRequest:
    return ChatRequest(
        model="b",
        messages=(Message(role="user", content=words),),
        sampling=Sampling(max_tokens=50),
        stream=True,
    )


@asynccontextmanager
async def house(
    tmp_path: Path,
    ours: Script = answering,
    *,
    outside: Script = answering,
    ours_first: bool = True,
    projects: Mapping[str, DataClass] | None = None,
    **policy: Any,
) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        database = Database(f"sqlite:///{tmp_path}/ledger.db")
        await database.migrate()
        ledger = Ledger(Journal(tmp_path / "journal"), database)
        stack.callback(database.close)
        stack.push_async_callback(ledger.close)
        session = await stack.enter_async_context(loopback_session())
        servers = [
            await stack.enter_async_context(scripted_upstream(script)) for script in (ours, outside)
        ]
        facts: dict[str, dict[str, Any]] = {
            "ours": {"provider": OWN_MACHINES, "law": "own"},
            "outside": {"provider": "acme", "law": "US", "vendor": "Acme", "host": "api.acme"},
        }
        upstreams = [
            OpenAIUpstream(
                UpstreamFacts(
                    name=name,
                    **known,
                    model="inner",
                    task="chat",
                    context_tokens=1000,
                    prefill=True,
                    price=Price(1, 1),
                ),
                session,
                base_url=server.base_url,
                api_key="k",
                connect_seconds=2,
            )
            for (name, known), server in zip(facts.items(), servers, strict=True)
        ]
        if not ours_first:
            upstreams.reverse()
        decisions: list[Decision] = []
        receipts: list[Receipt] = []
        refused: list[DataClass] = []
        guard = Guard(
            Policy(**{"detectors": DETECTORS} | policy),
            projects or {},
            record=decisions.append,
            refused=refused.append,
        )
        health = Health()
        rules = BasketRules(first_token_seconds=1, idle_seconds=1, continuation="replay")
        gateway = Gateway(
            baskets=Baskets(
                [
                    Basket("b", "chat", tuple(upstreams), rules=rules),
                    Basket("e", "embedding", tuple(upstreams), rules=rules),
                ]
            ),
            budgets=Budgets(ledger, currency="USD"),
            in_flight=InFlight(),
            record=receipts.append,
            health=health,
            router=Router(health),
            classify=guard.classify,
            forbidden=guard.forbids,
            held_back=guard.held_back,
            reclassify=guard.reclassify,
            currency="USD",
        )
        yield House(gateway, guard, servers[0], servers[1], decisions, receipts, refused)


async def test_what_is_not_sensitive_goes_where_the_basket_leads(tmp_path: Path) -> None:
    async with house(tmp_path, ours_first=False) as home:
        assert await home.ask("What is the capital of France?") == "fine"
        assert len(home.left) == 1
        assert home.receipts[0].data_class == "internal"
        assert home.decisions == []


@pytest.mark.parametrize("words", [IBAN, f"{'Nothing here. ' * 500}{IBAN}"], ids=["short", "long"])
async def test_what_is_found_keeps_a_request_at_home(tmp_path: Path, words: str) -> None:
    async with house(tmp_path, ours_first=False) as home:
        assert await home.ask(words) == "fine"
        assert home.left == []
        receipt = home.receipts[0]
        assert (receipt.upstream, receipt.data_class) == ("ours", "confidential")
        assert "built-in rule" in receipt.passed_over["outside"]


async def test_it_is_never_sent_out_by_fallback(tmp_path: Path) -> None:
    async with house(tmp_path, failing) as home:
        with pytest.raises(UpstreamError):
            await home.ask(IBAN)
        assert home.left == []
        assert len(home.decisions) == 1
        assert home.receipts[0].outcome == "upstream_failed"
        # The vendor is well and would have answered: only the policy kept the request from it.
        assert await home.ask("hello") == "fine"
        assert len(home.left) == 1


async def test_it_is_never_sent_out_by_continuation(tmp_path: Path) -> None:
    async with house(tmp_path, breaking) as home:
        with pytest.raises(UpstreamError):
            await home.ask(IBAN)
        assert home.left == []
        assert home.receipts[0].output_tokens == 3
        assert [decision.outcome for decision in home.decisions] == ["refused"]
        assert await home.ask("hello") == "half an answer fine"
        assert len(home.left) == 1


async def test_what_a_model_wrote_is_looked_at_before_others_go_on_with_it(
    tmp_path: Path,
) -> None:
    async def telling(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(f"The account is {IBAN}, and "))
        exchange.reset()

    async with house(tmp_path, telling) as home:
        with pytest.raises(UpstreamError):
            await home.ask("hello")
        assert home.left == []
        assert home.receipts[0].data_class == "confidential"
        detail = home.decisions[0].detail
        assert (detail["raised_by"], detail["found"]) == ("answer", "iban 1")


async def test_it_is_never_sent_out_as_an_embedding_or_a_completion(tmp_path: Path) -> None:
    async with house(tmp_path, failing) as home:
        with pytest.raises(UpstreamError):
            await home.gateway.embed(KEY, EmbeddingRequest(model="e", inputs=("a", IBAN)))
        with pytest.raises(UpstreamError):
            async with await home.gateway.complete(
                KEY, CompletionRequest(model="b", prompts=(IBAN,), sampling=Sampling(max_tokens=5))
            ) as answer:
                async for _ in answer:
                    pass
        assert home.left == []
        await home.gateway.embed(KEY, EmbeddingRequest(model="e", inputs=("hello",)))
        assert len(home.left) == 1


async def test_without_a_machine_of_ours_it_is_refused_and_the_rule_is_named(
    tmp_path: Path,
) -> None:
    nobody = Rule(name="eu-only", classes=frozenset({CONFIDENTIAL}), law=("DE", "FR"))
    async with house(tmp_path, rules=[nobody]) as home:
        with pytest.raises(PolicyRefused) as caught:
            await home.ask(f"please pay {IBAN}")
        error = caught.value
        assert (error.status, error.code, error.retryable) == (403, "policy_refused", False)
        assert "confidential" in error.message
        assert "rule 'eu-only': law US is not among DE, FR" in error.message
        assert IBAN not in str(error)
        assert (home.ours.exchanges, home.left) == ([], [])
        assert home.refused == [CONFIDENTIAL]


async def test_each_refusal_is_on_record_without_the_text(tmp_path: Path) -> None:
    shut = Rule(name="shut", classes=frozenset(DataClass), vendor=())
    async with house(tmp_path, rules=[shut]) as home:
        for _ in range(3):
            with pytest.raises(PolicyRefused):
                await home.ask(f"from {IBAN}\nto {IBAN}", floor=SECRET)
        assert len(home.decisions) == 3
        decision = home.decisions[0]
        assert (decision.kind, decision.outcome) == ("policy", "refused")
        assert decision.subject.startswith("req_")
        assert decision.detail["key"] == KEY.id
        assert decision.detail["basket"] == "b"
        assert decision.detail["data_class"] == "secret"
        assert decision.detail["raised_by"] == "header"
        assert decision.detail["found"] == "iban 2"
        assert decision.detail["asked"] == "nobody"
        assert "rule 'shut'" in decision.detail["rules"]
        assert IBAN[-10:] not in msgspec.json.encode(home.decisions).decode()


@pytest.mark.parametrize(
    ("key", "floor", "expected"),
    [
        ({}, PUBLIC, "internal"),
        ({"data_class": "confidential"}, PUBLIC, "confidential"),
        ({"data_class": "confidential"}, INTERNAL, "confidential"),
        ({"data_class": "internal"}, SECRET, "secret"),
        ({"project": "payroll"}, PUBLIC, "secret"),
        ({"project": "website"}, PUBLIC, "internal"),
        ({"project": "website", "data_class": "confidential"}, PUBLIC, "confidential"),
        ({"project": "gone"}, PUBLIC, "secret"),
    ],
)
async def test_the_highest_of_key_project_and_header_wins(
    tmp_path: Path, key: dict[str, str], floor: DataClass, expected: str
) -> None:
    async with house(tmp_path, projects={"payroll": SECRET, "website": PUBLIC}) as home:
        await home.ask("hello", key=msgspec.structs.replace(KEY, **key), floor=floor)
        assert home.receipts[0].data_class == expected


async def test_a_new_policy_holds_for_the_next_hop_of_a_call_under_way(tmp_path: Path) -> None:
    async with house(tmp_path, breaking) as home:
        home_only = Rule(name="home", classes=frozenset(DataClass), provider=(OWN_MACHINES,))
        with pytest.raises(BasketError):
            async with await home.gateway.chat(KEY, asking("hello")) as answer:
                async for chunk in answer:
                    if any(choice.text for choice in chunk.choices):
                        home.guard.follow(Policy(rules=[home_only]), {})
        assert home.left == []
        assert "rule 'home'" in home.decisions[0].detail["rules"]
