"""The gateway: who asks, what it may cost, who answers, and the account of it.

Every call of the product goes through here, whichever door it came by.
"""

from collections.abc import Callable

import anyio

from secondbasket.core.chat import (
    ChatRequest,
    CompletionRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
    MediaPart,
)
from secondbasket.core.key import Key
from secondbasket.core.ports import Upstream
from secondbasket.core.receipt import Operation, Receipt
from secondbasket.core.usage import Usage
from secondbasket.errors import (
    InvalidRequest,
    KeyRevoked,
    UpstreamError,
)
from secondbasket.maas.account import Account
from secondbasket.maas.answer import Answer
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.prices import worst_case

_MOST_CHOICES = 128


class Gateway:
    """`record` makes a receipt durable before it returns."""

    def __init__(
        self,
        *,
        baskets: Baskets,
        budgets: Budgets,
        in_flight: InFlight,
        record: Callable[[Receipt], None],
    ) -> None:
        self._baskets = baskets
        self._budgets = budgets
        self._in_flight = in_flight
        self._record = record

    def chat(self, key: Key, request: ChatRequest) -> Answer:
        """An answer that runs, and has its money set aside, once it is entered.

        Raises ModelNotFound, InvalidRequest, UpstreamUnavailable; entering it, BudgetExceeded.
        """
        upstream = self._baskets.find(request.model, "chat").choose()
        _refuse_media(request, upstream)
        account = self._account(
            "chat",
            key,
            request,
            upstream,
            prompts=1,
            messages=len(request.messages),
            answers=request.sampling.n,
            max_tokens=request.sampling.max_tokens,
            streamed=request.stream,
        )
        return Answer(
            account,
            upstream.chat(request, account.meter),
            choices=request.sampling.n,
            count_input=lambda: upstream.count_input(request),
            in_flight=self._in_flight,
        )

    def complete(self, key: Key, request: CompletionRequest) -> Answer:
        """As `chat`, for a text completion."""
        upstream = self._baskets.find(request.model, "chat").choose()
        choices = request.sampling.n * len(request.prompts)
        if choices > _MOST_CHOICES:
            raise InvalidRequest(
                f"'prompt' and 'n' ask for {choices} answers; one call may have {_MOST_CHOICES}.",
                hint="Send several calls.",
                param="prompt",
            )
        account = self._account(
            "text_completion",
            key,
            request,
            upstream,
            prompts=len(request.prompts),
            messages=0,
            answers=choices,
            max_tokens=request.sampling.max_tokens,
            streamed=request.stream,
        )
        return Answer(
            account,
            upstream.complete(request, account.meter),
            choices=choices,
            count_input=lambda: upstream.count_input(request),
            in_flight=self._in_flight,
        )

    async def embed(self, key: Key, request: EmbeddingRequest) -> tuple[EmbeddingAnswer, Receipt]:
        """The vectors and the receipt, which is durable by then.

        It runs to its end although its client may leave: it is short, and what
        the engine has computed is billed as it was counted.
        """
        upstream = self._baskets.find(request.model, "embedding").choose()
        prompts = len(request.inputs)
        account = self._account(
            "embeddings", key, request, upstream, prompts=prompts, messages=prompts, answers=0
        )
        call = _EmbeddingCall()
        account.open()
        self._in_flight.enter(key.id, call)
        try:
            with call.scope:
                answer = await upstream.embed(request, account.meter)
                return answer, account.close("completed", answer.usage)
            raise KeyRevoked("This key was revoked while the answer was under way.")
        except UpstreamError as error:
            account.close("upstream_failed", Usage(), error=error)
            raise
        except KeyRevoked as error:
            account.close("revoked", Usage(), exact=False, error=error)
            raise
        finally:
            account.cancel()  # changes nothing where it was closed
            self._in_flight.leave(key.id, call)

    def _account(
        self,
        operation: Operation,
        key: Key,
        request: ChatRequest | CompletionRequest | EmbeddingRequest,
        upstream: Upstream,
        *,
        prompts: int,
        messages: int,
        answers: int,
        max_tokens: int | None = None,
        streamed: bool = False,
    ) -> Account:
        facts = upstream.facts
        if max_tokens is not None and facts.context_tokens and max_tokens > facts.context_tokens:
            raise InvalidRequest(
                f"'max_tokens' is {max_tokens}; the context of '{request.model}' holds"
                f" {facts.context_tokens} tokens.",
                hint="Ask for fewer.",
                param="max_tokens",
            )
        most = worst_case(
            facts.price,
            text_bytes=request.text_bytes,
            prompts=prompts,
            messages=messages,
            answers=answers,
            max_tokens=max_tokens,
            context_tokens=facts.context_tokens,
        )
        return Account(
            operation=operation,
            key=key,
            basket=request.model,
            facts=facts,
            reserve=lambda: self._budgets.reserve(key, most),
            record=self._record,
            streamed=streamed,
        )


class _EmbeddingCall:
    """Embeddings come in one piece: revoking the key cancels the wait for it."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()

    def revoke(self) -> None:
        self.scope.cancel()


def _refuse_media(request: ChatRequest, upstream: Upstream) -> None:
    for message in request.messages:
        if not isinstance(message.content, tuple):
            continue
        for part in message.content:
            if isinstance(part, MediaPart) and not _reads(upstream, part.kind):
                read = " and ".join(upstream.facts.modalities)
                raise InvalidRequest(
                    f"A message holds a part of type '{part.kind}'; '{request.model}' reads {read}"
                    " only.",
                    hint="Leave it out, or choose a model that reads it.",
                    param="messages",
                )


_MODALITY = {"image_url": "image", "input_audio": "audio", "file": "file"}


def _reads(upstream: Upstream, kind: str) -> bool:
    return _MODALITY.get(kind, kind) in upstream.facts.modalities
