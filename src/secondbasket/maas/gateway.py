"""The gateway: who asks, what it may cost, who answers, and the account of it.

Every call of the product goes through here, whichever door it came by.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import anyio
import msgspec

from secondbasket.core.chat import (
    ChatRequest,
    CompletionRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
    MediaPart,
)
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.model import ModelTask
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Operation, Receipt
from secondbasket.egress.traffic import Traffic, current_traffic
from secondbasket.errors import BasketError, InvalidRequest, KeyRevoked, UpstreamError
from secondbasket.maas.account import Account
from secondbasket.maas.answer import Answer
from secondbasket.maas.baskets import Basket
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.continuation import rest_of, rest_of_text
from secondbasket.maas.failover import Asked, Call, Relay, embed
from secondbasket.maas.health import Health
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.prices import worst_case
from secondbasket.maas.routing import Router
from secondbasket.policy.classification import Classification

_MOST_CHOICES = 128

Request = ChatRequest | CompletionRequest | EmbeddingRequest
Classify = Callable[[Key, Request, DataClass], Awaitable[Classification]]
"""The class of a request: never lower than its key's, than the one given, or than what it holds."""
Forbidden = Callable[[DataClass, UpstreamFacts], str | None]
"""The rule that forbids an upstream to see data of a class; None where it may."""
HeldBack = Callable[[Account, Classification, Mapping[str, str]], None]
"""Hears of a call that failed while rules, by upstream, kept it from some of its basket."""


class Finder(Protocol):
    """Knows what answers behind a public name: the baskets in force."""

    def find(self, name: str, task: ModelTask | None = None) -> Basket:
        """Raises ModelNotFound, InvalidRequest."""
        ...


class _Size(msgspec.Struct, frozen=True):
    """What bounds the cost of a call, wherever it is answered."""

    prompts: int
    messages: int
    answers: int
    max_tokens: int | None = None


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
        canary: bool = False,
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
        size = _Size(1, len(request.messages), choices, request.sampling.max_tokens)
        call = await self._call("chat", "chat", key, request, size, floor, request.stream)
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
        if choices > _MOST_CHOICES:
            raise InvalidRequest(
                f"'prompt' and 'n' ask for {choices} answers; one call may have {_MOST_CHOICES}.",
                hint="Send several calls.",
                param="prompt",
            )
        size = _Size(len(request.prompts), 0, choices, request.sampling.max_tokens)
        call = await self._call(
            "text_completion", "chat", key, request, size, floor, request.stream
        )
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
        prompts = len(request.inputs)
        size = _Size(prompts, prompts, 0)
        call = await self._call("embeddings", "embedding", key, request, size, floor, False)
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
        task: ModelTask,
        key: Key,
        request: Asked,
        size: _Size,
        floor: DataClass,
        streamed: bool,
    ) -> Call[Asked]:
        basket = self._baskets.find(request.model, task)
        classification = await self._classify(key, request, floor)
        data_class = classification.data_class
        current_traffic.set(self._traffic[data_class])
        account = Account(
            operation=operation,
            key=key,
            basket=request.model,
            currency=self._currency,
            data_class=data_class,
            reserve=lambda most: self._budgets.reserve(key, most),
            record=self._record,
            streamed=streamed,
        )
        return Call(
            basket=basket.name,
            request=request,
            rules=basket.rules,
            route=self._router.route(basket),
            account=account,
            forbidden=lambda facts: self._forbidden(data_class, facts),
            held_back=lambda rules: self._held_back(account, classification, rules),
            unfit=lambda facts: _unfit(request, size, facts),
            most=lambda facts: worst_case(
                facts.price,
                text_bytes=request.text_bytes,
                prompts=size.prompts,
                messages=size.messages,
                answers=size.answers,
                max_tokens=size.max_tokens,
                context_tokens=facts.context_tokens,
            ),
        )


class _EmbeddingCall:
    """Embeddings come in one piece: revoking the key cancels the wait for it."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()

    def revoke(self) -> None:
        self.scope.cancel()


def _unfit(request: Request, size: _Size, facts: UpstreamFacts) -> BasketError | None:
    """Why an upstream cannot take this request, whatever its state."""
    most = size.max_tokens
    if most is not None and facts.context_tokens and most > facts.context_tokens:
        return InvalidRequest(
            f"'max_tokens' is {most}; the context of '{request.model}' holds"
            f" {facts.context_tokens} tokens.",
            hint="Ask for fewer.",
            param="max_tokens",
        )
    return _unread(request, facts) if isinstance(request, ChatRequest) else None


def _unread(request: ChatRequest, facts: UpstreamFacts) -> InvalidRequest | None:
    """A part of a message that the upstream does not read."""
    for message in request.messages:
        if not isinstance(message.content, tuple):
            continue
        for part in message.content:
            if isinstance(part, MediaPart) and not _reads(facts, part.kind):
                read = " and ".join(facts.modalities)
                return InvalidRequest(
                    f"A message holds a part of type '{part.kind}'; '{request.model}' reads {read}"
                    " only.",
                    hint="Leave it out, or choose a model that reads it.",
                    param="messages",
                )
    return None


_MODALITY = {"image_url": "image", "input_audio": "audio", "file": "file"}


def _reads(facts: UpstreamFacts, kind: str) -> bool:
    return _MODALITY.get(kind, kind) in facts.modalities
