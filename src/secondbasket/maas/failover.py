"""One call over as many upstreams as it takes: asked in order, each for what the last one left.

Before anything of the answer was handed on, the next upstream simply starts
anew. A text stream that breaks goes on at the next one where the basket allows
it; anything else that breaks in the middle ends with the error, never as if it
were whole. Policy is asked again before every attempt. What fails a second
time, or is the caller's own fault, is not tried anywhere else.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
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
from secondbasket.core.rules import BasketRules
from secondbasket.core.usage import Usage
from secondbasket.errors import (
    AllUpstreamsFailed,
    BasketError,
    BudgetExceeded,
    InvalidRequest,
    PolicyRefused,
    UpstreamError,
    UpstreamLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from secondbasket.maas.account import Account
from secondbasket.maas.attempt import Attempt
from secondbasket.maas.continuation import Joint
from secondbasket.maas.delivered import Delivered
from secondbasket.maas.health import Health, UpstreamHealth
from secondbasket.maas.patience import Patience
from secondbasket.maas.routing import Route

_COUNT_SECONDS = 2.0
# Rather than fail, a call waits so long for an upstream that told when it can be asked again.
_LONGEST_WAIT_SECONDS = 2.0

Asked = TypeVar("Asked", ChatRequest, CompletionRequest, EmbeddingRequest)
Written = TypeVar("Written", ChatRequest, CompletionRequest)


Ask = Callable[[Upstream, Written, WireMeter], AsyncGenerator[Chunk, None]]
Rest = Callable[[Written, UpstreamFacts, str, int], Written]
"""The request for the rest of an answer, for an upstream: given what is out, and its tokens."""


class Call(msgspec.Struct, Generic[Asked], frozen=True, kw_only=True):
    """What the gateway knows of a call. `forbidden` names the rule that forbids an upstream,
    `unfit` is the error of a request that it cannot take, `most` what it can cost there.
    `held_back` hears the rules, by upstream, where the call fails and some kept it from one;
    `look` looks into what was answered so far, before somebody else is sent it."""

    basket: str
    request: Asked
    rules: BasketRules
    route: Route
    account: Account
    forbidden: Callable[[UpstreamFacts], str | None]
    held_back: Callable[[Mapping[str, str]], None]
    look: Callable[[str], Awaitable[None]]
    unfit: Callable[[UpstreamFacts], BasketError | None]
    most: Callable[[UpstreamFacts], int]


class Candidates(Generic[Asked]):
    """The upstreams of one call that are still to be asked."""

    def __init__(self, call: Call[Asked], health: Health) -> None:
        self._call: Call[Asked] = call
        self._health = health
        self._waiting = list(call.route.upstreams)
        self._attempts: list[tuple[str, BasketError]] = []
        self._refusals: list[BasketError] = []
        self._limited: dict[str, Upstream] = {}
        self._forbidden: dict[str, str] = {}

    async def next(self, continuing: Callable[[UpstreamFacts], bool] | None = None) -> Upstream:
        """Who is asked now, its money secured. Raises what the caller is to hear else.

        Where part of the answer is out, only who is `continuing` will do.
        """
        call = self._call
        if len(self._attempts) < call.rules.attempts:
            while self._waiting:
                upstream = self._waiting.pop(0)
                why = self._why_not(upstream, continuing)
                if why is None:
                    self._tell_unproven(upstream.facts.name)
                    return upstream
                call.account.passed_over.setdefault(upstream.facts.name, why)
            if continuing is None and (again := await self._whoever_let_us_wait()):
                return again
        raise self._failure()

    def failed(self, upstream: Upstream, error: BasketError) -> None:
        """It was asked, and did not answer."""
        name = upstream.facts.name
        again = any(known == name for known, _ in self._attempts)
        if isinstance(error, UpstreamLimited) and error.retry_after is not None and not again:
            self._limited[name] = upstream
        self._attempts.append((name, error))

    def why(self, upstream: Upstream) -> str:
        """Why this one is asked now, in words."""
        if self._attempts:
            name, error = self._attempts[-1]
            told = f"after {error.code} of {name}"
        else:
            told = f"first by {self._call.rules.routing}"
        unproven = self._call.route.unproven.get(upstream.facts.name)
        return told if unproven is None else f"{told}, though {unproven}"

    def _tell_unproven(self, asked: str) -> None:
        """The receipt says who was passed over as unproven, and that the one asked is."""
        route, account = self._call.route, self._call.account
        if not route.unproven:
            return
        known = {each.facts.name: each.facts for each in route.upstreams}
        for name, why in route.overtaken(asked).items():
            account.passed_over.setdefault(name, self._call.forbidden(known[name]) or why)
        if asked in route.unproven:
            account.passed_over.pop(asked, None)
            account.unproven = True

    def _why_not(
        self, upstream: Upstream, continuing: Callable[[UpstreamFacts], bool] | None
    ) -> str | None:
        call, facts = self._call, upstream.facts
        rule = call.forbidden(facts)
        if rule is not None:
            self._forbidden[facts.name] = rule
            return rule
        if continuing is not None and not continuing(facts):
            return "cannot go on with a half-written answer"
        if not upstream.ready():
            return "not ready"
        health = self._health.of(facts.name)
        ill = health.why_not()
        if ill is not None:
            return ill
        unfit = call.unfit(facts) or upstream.unfit(call.request)
        if unfit is not None:
            self._refusals.append(unfit)
            return unfit.message
        if self._attempts and not health.take_retry():
            return "its retry budget is used up"
        try:
            call.account.secure(call.most(facts))
        except (BudgetExceeded, InvalidRequest) as error:
            self._refusals.append(error)
            return error.message
        return None

    async def _whoever_let_us_wait(self) -> Upstream | None:
        """An upstream that said when it can be asked again, once that time has come.

        The soonest first, and each only once: who says so a second time is left alone.
        """
        while self._limited:
            name = min(self._limited, key=lambda each: self._health.of(each).wait_seconds)
            upstream = self._limited.pop(name)
            wait = self._health.of(name).wait_seconds
            if 0 < wait <= _LONGEST_WAIT_SECONDS:
                await anyio.sleep(wait)
            if self._why_not(upstream, None) is None:
                return upstream
        return None

    def _failure(self) -> BasketError:
        """What to tell, the most telling first."""
        call = self._call
        if self._forbidden:
            call.held_back(self._forbidden)
        if len(self._attempts) == 1:
            return self._attempts[0][1]
        if self._attempts:
            return AllUpstreamsFailed(call.basket, self._attempts)
        if len(self._forbidden) == len(call.route.upstreams) and self._forbidden:
            return PolicyRefused(call.basket, call.account.data_class.label, self._forbidden)
        if self._refusals:
            return self._refusals[0]
        told = "; ".join(f"{name}: {why}" for name, why in call.account.passed_over.items())
        return UpstreamUnavailable(
            f"Nothing behind '{call.basket}' is ready to answer ({told or 'it is empty'}).",
            hint="It may still be loading: try again in a moment, or look at `basket status`.",
        )


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
            attempt = call.account.begin(upstream.facts, decision, goes_on=goes_on)
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
        try:
            upstream = await self._candidates.next(
                lambda facts: delivered.way_on(rules, prefill=facts.prefill) != "none"
            )
        except BasketError as exc:
            raise error from exc
        text, facts = delivered.text, upstream.facts
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
                if attempt.observe(chunk):
                    call.account.first_token()
                    patience.content()
                for choice in chunk.choices:
                    if choice.finish_reason is not None:
                        finished.add(choice.index)
                step = chunk if joint is None else _joined(chunk, joint)
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
        return Usage(counted or 0, attempt.pieces), counted is not None and not attempt.pieces


async def embed(call: Call[EmbeddingRequest], health: Health) -> EmbeddingAnswer:
    """The vectors, from the first upstream that has them. The account holds what was used.

    Raises UpstreamError where none has.
    """
    candidates = Candidates(call, health)
    while True:
        upstream = await candidates.next()
        decision = candidates.why(upstream)
        attempt = call.account.begin(upstream.facts, decision)
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
    text = joint.feed(choice.text) if choice.text else ""
    if choice.finish_reason is not None:
        text += joint.flush()
    return msgspec.structs.replace(choice, text=text)
