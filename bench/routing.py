"""What choosing an upstream adds to a call: order, policy, breaker and retry budget, in µs.

The real classes over four upstreams, without a network: what is timed is everything from a request
that was read to the upstream that is asked for it, and the upstream's health told afterwards.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec

from secondbasket.core.chat import (
    ChatRequest,
    Chunk,
    CompletionRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
    Message,
)
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.money import Price
from secondbasket.core.ports import Upstream, UpstreamFacts, WireMeter
from secondbasket.core.rules import BasketRules, Routing
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.account import Account
from secondbasket.maas.baskets import Basket
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.demand import demand_of
from secondbasket.maas.failover.candidates import Call, Candidates
from secondbasket.maas.health import Health
from secondbasket.maas.routing import Router
from secondbasket.policy.rules import Rule, Rules
from secondbasket.stores.database import Database

CALLS = 2000
ROUTINGS: tuple[Routing, ...] = ("priority", "weighted", "least_in_flight", "fastest", "cheapest")
_LAWS = ("US", "FR", "DE", "own")
_KEY = Key(id="k", name="k", role="user", budget=None, currency="USD", created_at="")


class Result(msgspec.Struct, frozen=True):
    """Microseconds a call, a figure a round, by routing."""

    choosing_us: dict[str, list[float]]


class _Silent:
    """An upstream that is always ready and never asked."""

    def __init__(self, law: str) -> None:
        self.facts = UpstreamFacts(
            name=f"upstream-{law}",
            provider=law,
            law=law,
            model="m",
            task="chat",
            context_tokens=8192,
            price=Price(1, 1),
        )

    def ready(self) -> bool:
        return True

    def unfit(self, request: ChatRequest | CompletionRequest | EmbeddingRequest) -> None:
        return None

    def chat(self, request: ChatRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        raise AssertionError

    def complete(self, request: CompletionRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]:
        raise AssertionError

    async def embed(self, request: EmbeddingRequest, meter: WireMeter) -> EmbeddingAnswer:
        raise AssertionError

    async def count_input(self, request: ChatRequest | CompletionRequest) -> int | None:
        raise AssertionError

    async def probe(self) -> None:
        raise AssertionError


_RULES = Rules(
    [Rule(name="eu", classes=frozenset((DataClass.CONFIDENTIAL,)), law=("FR", "DE", "own"))]
)


def _forbidden(facts: UpstreamFacts) -> str | None:
    verdict = _RULES.judge(DataClass.CONFIDENTIAL, facts)
    return None if verdict.allowed else verdict.rule


async def _look(_text: str) -> None:
    raise AssertionError


async def _choose(basket: Basket, budgets: Budgets, request: ChatRequest) -> float:
    """Seconds that one of `CALLS` choices took."""
    health = Health()
    router = Router(health)
    begun = time.perf_counter()
    for _ in range(CALLS):
        account = Account(
            operation="chat",
            key=_KEY,
            basket=basket.name,
            currency="USD",
            data_class=DataClass.CONFIDENTIAL,
            reserve=lambda most: budgets.reserve(_KEY, most),
            record=lambda _receipt: None,
            streamed=False,
        )
        call = Call(
            basket=basket.name,
            request=request,
            rules=basket.rules,
            route=router.route(basket),
            account=account,
            forbidden=_forbidden,
            held_back=lambda _rules: None,
            unasked=lambda _error: None,
            look=_look,
            demand=demand_of(request),
        )
        upstream = await Candidates(call, health).next()
        standing = health.of(upstream.facts.name)
        standing.begin()
        standing.answered(1.0)
        account.cancel()
    return (time.perf_counter() - begun) / CALLS


def run(*, rounds: int) -> Result:
    request = ChatRequest(model="b", messages=(Message(role="user", content="a question"),))
    upstreams: tuple[Upstream, ...] = tuple(_Silent(law) for law in _LAWS)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        database = Database(f"sqlite:///{home}/ledger.db")
        budgets = Budgets(Ledger(Journal(home / "journal"), database), currency="USD")
        found: dict[str, list[float]] = {routing: [] for routing in ROUTINGS}
        for _ in range(rounds):
            for routing in ROUTINGS:
                basket = Basket("b", "chat", upstreams, rules=BasketRules(routing=routing))
                seconds = asyncio.run(_choose(basket, budgets, request))
                found[routing].append(seconds * 1e6)
        database.close()
    return Result(found)
