"""One call over as many upstreams as it takes: asked in order, each for what the last one left.

Before anything of the answer was handed on, the next upstream simply starts
anew. A text stream that breaks goes on at the next one where the basket allows
it; anything else that breaks in the middle ends with the error, never as if it
were whole. Policy is asked again before every attempt. What fails a second
time, or is the caller's own fault, is not tried anywhere else.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

import anyio
import msgspec

from secondbasket.core.chat import (
    ChatRequest,
    ChoiceDelta,
    Chunk,
    CompletionRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
)
from secondbasket.core.ports import Upstream, UpstreamFacts, WireMeter
from secondbasket.core.usage import Usage
from secondbasket.errors import (
    BasketError,
    UpstreamBroken,
    UpstreamError,
    UpstreamTimeout,
)
from secondbasket.maas.attempt import Attempt
from secondbasket.maas.failover.candidates import Call, Candidates
from secondbasket.maas.failover.continuation import Joint, most_added
from secondbasket.maas.failover.delivered import Delivered
from secondbasket.maas.failover.patience import Patience
from secondbasket.maas.health import Health, UpstreamHealth

_COUNT_SECONDS = 2.0
Written = TypeVar("Written", ChatRequest, CompletionRequest)


Ask = Callable[[Upstream, Written, WireMeter], AsyncGenerator[Chunk, None]]
Rest = Callable[[Written, UpstreamFacts, str, int], Written]
"""The request for the rest of an answer, for an upstream: given what is out, and its tokens."""


class Relay(Generic[Written]):
    """The chunks of one answer, from as many upstreams as it takes."""

    def __init__(
        self,
        call: Call[Written],
        health: Health,
        ask: Ask[Written],
        *,
        choices: int,
        rest: Rest[Written],
    ) -> None:
        self._call: Call[Written] = call
        self._health = health
        self._ask: Ask[Written] = ask
        self._choices = choices
        self._rest: Rest[Written] = rest
        self._candidates: Candidates[Written] = Candidates(call, health)
        self._delivered = Delivered(call.request)
        self._first: Upstream | None = None
        self._running: tuple[Upstream, Attempt, UpstreamHealth] | None = None

    async def open(self) -> None:
        """Choose who is asked first, and have the money set aside.

        Raises BudgetExceeded, PolicyRefused, InvalidRequest, UpstreamUnavailable.
        """
        self._first = await self._candidates.next()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Raises UpstreamError where the answer cannot be had, or had to its end."""
        call, candidates = self._call, self._candidates
        request: Written = call.request
        joint: Joint | None = None
        upstream = self._first or await candidates.next()
        decision, goes_on = candidates.why(upstream), False
        while True:
            attempt = call.account.begin(
                upstream.facts, decision, candidates.demand.most(upstream.facts), goes_on=goes_on
            )
            health = self._health.of(upstream.facts.name)
            health.begin()
            self._running = (upstream, attempt, health)
            try:
                async with aclosing(self._attempt(upstream, request, attempt, joint)) as steps:
                    async for chunk in steps:
                        yield chunk
                await self._end(upstream, attempt, request)
                health.answered(attempt.first_token_ms)
            except UpstreamError as error:
                health.failed(error)
                self._running = None
                attempt.fail(error)
                candidates.failed(upstream, error)
                if not error.retryable:
                    raise
                upstream, request, joint = await self._go_on(error)
                decision, goes_on = candidates.why(upstream), self._delivered.anything
                if goes_on:
                    decision = f"goes on {decision}"
            except BasketError as error:
                # The request itself is at fault.
                health.failed(error)
                self._running = None
                attempt.fail(error)
                raise
            else:
                self._running = None
                return

    async def _go_on(self, error: UpstreamError) -> tuple[Upstream, Written, Joint | None]:
        """Who is asked next, and for what. Raises `error` where the answer must end here."""
        call, delivered = self._call, self._delivered
        if not delivered.anything:
            return await self._candidates.next(), call.request, None
        rules = call.rules.continuation
        if delivered.way_on(rules, prefill=True) == "none":
            raise error
        # A model may have written what its reader may see and other vendors may not.
        await call.look(delivered.text)
        text = delivered.text
        # What is out is read again, in two messages more, and paid for.
        demand = msgspec.structs.replace(
            call.demand,
            text_bytes=call.demand.text_bytes + most_added(text),
            messages=call.demand.messages + 2,
        )
        try:
            upstream = await self._candidates.next(
                lambda facts: delivered.way_on(rules, prefill=facts.prefill) != "none",
                demand=demand,
            )
        except BasketError as exc:
            raise error from exc
        facts = upstream.facts
        rest = self._rest(call.request, facts, text, self._written())
        way = delivered.way_on(rules, prefill=facts.prefill)
        return upstream, rest, Joint(text) if way == "replay" else None

    def _written(self) -> int:
        """Output tokens of the attempts that failed."""
        hops = (attempt.hop for attempt in self._call.account.attempts)
        return sum(hop.output_tokens for hop in hops if hop is not None)

    async def _attempt(
        self, upstream: Upstream, request: Written, attempt: Attempt, joint: Joint | None
    ) -> AsyncGenerator[Chunk, None]:
        """One upstream's chunks as they may be handed on.

        A plain call is handed on once it is whole: until then it can start anew.
        """
        call, delivered, facts = self._call, self._delivered, upstream.facts
        patience = Patience(first=call.rules.first_token_seconds, between=call.rules.idle_seconds)
        held: list[Chunk] | None = None if call.request.stream else []
        finished: set[int] = set()
        chunks = self._ask(upstream, request, attempt.meter)
        try:
            while True:
                chunk = await patience.next(chunks)
                silent = attempt.pieces == 0
                if attempt.observe(chunk):
                    call.account.first_token()
                    patience.content()
                    if silent:
                        self._health.of(facts.name).speaks()
                # Before it counts as finished: an answer that cannot be joined is not.
                step = chunk if joint is None else _joined(chunk, joint)
                for choice in chunk.choices:
                    if choice.finish_reason is not None:
                        finished.add(choice.index)
                if held is not None:
                    held.append(step)
                    continue
                delivered.add(step)
                # What says nothing yet waits: the door tells who answers with the first chunk.
                if delivered.anything or finished:
                    yield step
        except StopAsyncIteration:
            pass
        except TimeoutError as exc:
            what = "nothing came" if attempt.pieces == 0 else "the stream stood still"
            raise UpstreamTimeout(f"From '{facts.name}' {what} for {patience.limit:g} s.") from exc
        except UpstreamError:
            # Where all of the answer is here, only what follows it was lost.
            if len(finished) < self._choices:
                raise
        finally:
            patience.close()
            await chunks.aclose()
        for chunk in held or ():
            delivered.add(chunk)
            yield chunk

    async def _end(self, upstream: Upstream, attempt: Attempt, request: Written) -> None:
        """Close the attempt that brought the answer to its end."""
        usage, exact = await self._counted(upstream, attempt, request)
        attempt.close("completed", usage, exact=exact)

    async def interrupted(self) -> bool:
        """Close the attempt that was left in the middle; whether anything was asked at all."""
        if self._running is not None:
            upstream, attempt, health = self._running
            self._running = None
            health.left()
            usage, exact = await self._counted(upstream, attempt, self._call.request)
            attempt.close("client_closed", usage, exact=exact)
        return bool(self._call.account.attempts)

    async def _counted(
        self, upstream: Upstream, attempt: Attempt, request: Written
    ) -> tuple[Usage, bool]:
        """Tokens used so far, and whether the upstream itself counted them."""
        if attempt.told is not None:
            return attempt.told
        counted = None
        # An upstream that cannot say now does not keep the account open.
        with anyio.move_on_after(_COUNT_SECONDS):
            try:
                counted = await upstream.count_input(request)
            except BasketError:
                counted = None
        return Usage(counted or 0, attempt.written), counted is not None and not attempt.pieces


async def embed(call: Call[EmbeddingRequest], health: Health) -> EmbeddingAnswer:
    """The vectors, from the first upstream that has them. The account holds what was used.

    Raises UpstreamError where none has.
    """
    candidates = Candidates(call, health)
    while True:
        upstream = await candidates.next()
        decision = candidates.why(upstream)
        attempt = call.account.begin(upstream.facts, decision, call.demand.most(upstream.facts))
        standing = health.of(upstream.facts.name)
        standing.begin()
        try:
            try:
                async with asyncio.timeout(call.rules.first_token_seconds):
                    answer = await upstream.embed(call.request, attempt.meter)
            except TimeoutError as exc:
                raise UpstreamTimeout(
                    f"From '{upstream.facts.name}' nothing came for"
                    f" {call.rules.first_token_seconds:g} s."
                ) from exc
        except UpstreamError as error:
            standing.failed(error)
            attempt.fail(error)
            candidates.failed(upstream, error)
            if not error.retryable:
                raise
        except BasketError as error:
            standing.failed(error)
            attempt.fail(error)
            raise
        except BaseException:
            # Cancelled: what it had computed by then nobody has told us.
            standing.left()
            attempt.close("revoked", Usage(), exact=False)
            raise
        else:
            standing.answered(None)
            attempt.close("completed", answer.usage, exact=answer.counted)
            return answer


def _joined(chunk: Chunk, joint: Joint) -> Chunk:
    """The chunk without the words that the delivered text ends with already."""
    return Chunk(tuple(_joined_choice(choice, joint) for choice in chunk.choices), chunk.usage)


def _joined_choice(choice: ChoiceDelta, joint: Joint) -> ChoiceDelta:
    """Raises UpstreamBroken where the continuation cannot be shown to follow what is out."""
    text = joint.feed(choice.text) if choice.text else ""
    if choice.finish_reason is not None:
        text += joint.flush()
    if joint.verified is False:
        raise UpstreamBroken("The continuation does not begin with the last words of the answer.")
    return msgspec.structs.replace(choice, text=text)
