"""The gateway: who asks, what it may cost, who answers, and the account of it.

Every call of the product goes through here, whichever door it came by.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import anyio

from secondbasket.core.chat import (
    ChatRequest,
    CompletionRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
)
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.model import ModelTask
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Operation, Receipt
from secondbasket.egress.traffic import Traffic, current_traffic
from secondbasket.errors import BasketError, KeyRevoked, UpstreamError
from secondbasket.maas.account import Account
from secondbasket.maas.answer import Answer
from secondbasket.maas.baskets import Basket
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.demand import Request, demand_of
from secondbasket.maas.failover.candidates import Asked, Call
from secondbasket.maas.failover.continuation import rest_of, rest_of_text
from secondbasket.maas.failover.relay import Relay, embed
from secondbasket.maas.health import Health
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.routing import Router
from secondbasket.policy.classification import Classification

Classify = Callable[[Key, Request, DataClass], Awaitable[Classification]]
"""The class of a request: never lower than its key's, than the one given, or than what it holds."""
Forbidden = Callable[[DataClass, UpstreamFacts], str | None]
"""The rule that forbids an upstream to see data of a class; None where it may."""
Reclassify = Callable[[Classification, str], Awaitable[Classification]]
"""The class of a call once more text belongs to it: never lower than before."""
HeldBack = Callable[[Account, Classification, Mapping[str, str]], None]
"""Hears of a call that failed while rules, by upstream, kept it from some of its basket."""


async def unchanged(classification: Classification, _text: str) -> Classification:
    return classification


Unasked = Callable[[Account, BasketError], None]
"""Hears of a call that failed before anybody was asked, so that it has no receipt."""


def nobody_listens(_account: Account, _error: BasketError) -> None:
    return None


class Finder(Protocol):
    """Knows what answers behind a public name: the baskets in force."""

    def find(self, name: str, task: ModelTask | None = None) -> Basket:
        """Raises ModelNotFound, InvalidRequest."""
        ...


class Gateway:
    """`record` makes a receipt durable before it returns.

    `canary` marks the traffic of a drill. A gateway for that has a `health` of
    its own, so that nobody else's calls learn from what is cut for the drill.
    """

    def __init__(
        self,
        *,
        baskets: Finder,
        budgets: Budgets,
        in_flight: InFlight,
        record: Callable[[Receipt], None],
        health: Health,
        router: Router,
        classify: Classify,
        forbidden: Forbidden,
        held_back: HeldBack,
        currency: str,
        reclassify: Reclassify = unchanged,
        canary: bool = False,
        unasked: Unasked = nobody_listens,
    ) -> None:
        self._baskets = baskets
        self._budgets = budgets
        self._in_flight = in_flight
        self._record = record
        self._health = health
        self._router = router
        self._classify = classify
        self._forbidden = forbidden
        self._held_back = held_back
        self._reclassify = reclassify
        self._unasked = unasked
        self._currency = currency
        self._traffic = {each: Traffic(each, canary) for each in DataClass}

    async def chat(
        self, key: Key, request: ChatRequest, *, floor: DataClass = DataClass.PUBLIC
    ) -> Answer:
        """An answer that runs, and has its money set aside, once it is entered.

        `floor` is the least class that its caller gave it. Raises ModelNotFound,
        InvalidRequest; entering it, BudgetExceeded, PolicyRefused, UpstreamUnavailable.
        """
        choices = request.sampling.n
        call = await self._call("chat", key, request, floor, request.stream)
        relay = Relay(
            call,
            self._health,
            lambda upstream, asked, meter: upstream.chat(asked, meter),
            choices=choices,
            rest=rest_of,
        )
        return Answer(call.account, relay, choices=choices, in_flight=self._in_flight)

    async def complete(
        self, key: Key, request: CompletionRequest, *, floor: DataClass = DataClass.PUBLIC
    ) -> Answer:
        """As `chat`, for a text completion."""
        choices = request.sampling.n * len(request.prompts)
        call = await self._call("text_completion", key, request, floor, request.stream)
        relay = Relay(
            call,
            self._health,
            lambda upstream, asked, meter: upstream.complete(asked, meter),
            choices=choices,
            rest=rest_of_text,
        )
        return Answer(call.account, relay, choices=choices, in_flight=self._in_flight)

    async def embed(
        self, key: Key, request: EmbeddingRequest, *, floor: DataClass = DataClass.PUBLIC
    ) -> tuple[EmbeddingAnswer, Receipt]:
        """The vectors and the receipt, which is durable by then.

        It runs to its end although its client may leave: it is short, and what
        the engine has computed is billed as it was counted.
        """
        call = await self._call("embeddings", key, request, floor, False)
        account = call.account
        running = _EmbeddingCall()
        self._in_flight.enter(key.id, running)
        try:
            with running.scope:
                answer = await embed(call, self._health)
                return answer, account.close("completed")
            raise KeyRevoked("This key was revoked while the answer was under way.")
        except UpstreamError as error:
            if account.attempts:
                account.close("upstream_failed", error=error)
            raise
        except KeyRevoked as error:
            if account.attempts:
                account.close("revoked", error=error)
            raise
        finally:
            account.cancel()  # changes nothing where it was closed
            self._in_flight.leave(key.id, running)

    async def _call(
        self,
        operation: Operation,
        key: Key,
        request: Asked,
        floor: DataClass,
        streamed: bool,
    ) -> Call[Asked]:
        demand = demand_of(request)
        basket = self._baskets.find(request.model, demand.task)
        account = Account(
            operation=operation,
            key=key,
            basket=request.model,
            currency=self._currency,
            data_class=floor,
            reserve=lambda most: self._budgets.reserve(key, most),
            record=self._record,
            streamed=streamed,
        )
        classification = await self._classify(key, request, floor)
        account.data_class = classification.data_class
        current_traffic.set(self._traffic[classification.data_class])

        async def look(text: str) -> None:
            nonlocal classification
            classification = await self._reclassify(classification, text)
            account.data_class = classification.data_class
            current_traffic.set(self._traffic[classification.data_class])

        return Call(
            basket=basket.name,
            request=request,
            rules=basket.rules,
            route=self._router.route(basket),
            account=account,
            forbidden=lambda facts: self._forbidden(account.data_class, facts),
            held_back=lambda rules: self._held_back(account, classification, rules),
            unasked=lambda error: self._unasked(account, error),
            look=look,
            demand=demand,
        )


class _EmbeddingCall:
    """Embeddings come in one piece: revoking the key cancels the wait for it."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()

    def revoke(self) -> None:
        self.scope.cancel()
