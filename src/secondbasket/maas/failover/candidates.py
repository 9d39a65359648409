"""Who is still to be asked for one call: allowed, ready, well, fit, and paid for."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import anyio
import msgspec

from secondbasket.core.chat import ChatRequest, CompletionRequest, EmbeddingRequest
from secondbasket.core.ports import Upstream, UpstreamFacts
from secondbasket.core.rules import BasketRules
from secondbasket.errors import (
    AllUpstreamsFailed,
    BasketError,
    BudgetExceeded,
    InvalidRequest,
    PolicyRefused,
    UpstreamLimited,
    UpstreamUnavailable,
)
from secondbasket.maas.account import Account
from secondbasket.maas.demand import Demand
from secondbasket.maas.health import Health
from secondbasket.maas.routing import Route

# Rather than fail, a call waits so long for an upstream that told when it can be asked again.
_LONGEST_WAIT_SECONDS = 2.0

Asked = TypeVar("Asked", ChatRequest, CompletionRequest, EmbeddingRequest)


class Call(msgspec.Struct, Generic[Asked], frozen=True, kw_only=True):
    """What the gateway knows of a call. `forbidden` names the rule that forbids an upstream,
    `held_back` hears the rules, by upstream, where the call fails and some kept it from one;
    `unasked` the error of a call that nobody was asked for, so that it has no receipt;
    `look` looks into what was answered so far, before somebody else is sent it."""

    basket: str
    request: Asked
    rules: BasketRules
    route: Route
    account: Account
    forbidden: Callable[[UpstreamFacts], str | None]
    held_back: Callable[[Mapping[str, str]], None]
    unasked: Callable[[BasketError], None]
    look: Callable[[str], Awaitable[None]]
    demand: Demand


class Candidates(Generic[Asked]):
    """The upstreams of one call that are still to be asked, for what its `demand` is by now."""

    def __init__(self, call: Call[Asked], health: Health) -> None:
        self.demand = call.demand
        self._call: Call[Asked] = call
        self._health = health
        self._waiting = list(call.route.upstreams)
        self._attempts: list[tuple[str, BasketError]] = []
        self._refusals: list[BasketError] = []
        self._limited: dict[str, Upstream] = {}
        self._forbidden: dict[str, str] = {}

    async def next(
        self,
        continuing: Callable[[UpstreamFacts], bool] | None = None,
        *,
        demand: Demand | None = None,
    ) -> Upstream:
        """Who is asked now, its money secured. Raises what the caller is to hear else.

        Where part of the answer is out, only who is `continuing` will do, for what is then the
        `demand`.
        """
        call = self._call
        self.demand = demand or call.demand
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
        unfit = call.demand.unfit(facts) or upstream.unfit(call.request)
        if unfit is not None:
            self._refusals.append(unfit)
            return unfit.message
        if self._attempts and not health.take_retry():
            return "its retry budget is used up"
        try:
            call.account.secure(facts.price.cost(self.demand.most(facts)))
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
        error = self._why_nobody()
        call.unasked(error)
        return error

    def _why_nobody(self) -> BasketError:
        call = self._call
        if len(self._forbidden) == len(call.route.upstreams) and self._forbidden:
            return PolicyRefused(call.basket, call.account.data_class.label, self._forbidden)
        if self._refusals:
            return self._refusals[0]
        told = "; ".join(f"{name}: {why}" for name, why in call.account.passed_over.items())
        return UpstreamUnavailable(
            f"Nothing behind '{call.basket}' is ready to answer ({told or 'it is empty'}).",
            hint="It may still be loading: try again in a moment, or look at `basket status`.",
        )
