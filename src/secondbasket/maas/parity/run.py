"""One parity run: every case on every upstream, each asked directly and through the gateway.

An upstream is asked as the only member of a basket of its own, so that policy,
budgets, failover's rules, receipts and the outbound door are those of any call.
"""

from collections.abc import Callable, Sequence
from statistics import median

import anyio
import msgspec

from secondbasket.core.chat import ChatRequest
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.ports import Upstream
from secondbasket.errors import (
    AllUpstreamsFailed,
    BasketError,
    InvalidRequest,
    PolicyRefused,
    UpstreamError,
    UpstreamLimited,
    UpstreamRejected,
)
from secondbasket.maas.asking import Asked, ask
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.gateway import Finder, Gateway
from secondbasket.maas.parity.checks import Kind, kind_of
from secondbasket.maas.parity.evals import Case
from secondbasket.maas.parity.marks import Marker
from secondbasket.maas.parity.results import (
    CaseResult,
    KindScore,
    State,
    UpstreamParity,
    wilson,
)

# What waits for a token of ours waits for the processor; a provider has many.
_AT_ONCE_OUTSIDE = 4
# Between attempts, where an upstream is busy or hiccups. One that stays down is not waited for.
_PAUSES_SECONDS = (1.0, 4.0)
_LONGEST_PAUSE_SECONDS = 30.0
_KEPT_OF_ANSWER = 2_000

Progress = Callable[[str, int, int], None]
"""Is told of an upstream: how many cases are done, of how many."""


class Runner:
    """`over` makes a gateway over given baskets, with a health of its own: what happens here says
    nothing to the calls of others. `floor` is the least class that every case counts as."""

    def __init__(
        self,
        *,
        over: Callable[[Finder], Gateway],
        marker: Marker,
        key: Key,
        floor: DataClass,
    ) -> None:
        self._over = over
        self._marker = marker
        self._key = key
        self._floor = floor

    async def measure(
        self, basket: Basket, upstream: Upstream, cases: Sequence[Case], progress: Progress
    ) -> UpstreamParity:
        """How `upstream` does on all `cases`; what goes wrong is part of the result."""
        facts = upstream.facts
        rules = msgspec.structs.replace(
            basket.rules, attempts=2, continuation="none", parity_floor=None
        )
        gateway = self._over(Baskets([Basket(basket.name, "chat", (upstream,), rules=rules)]))
        asking = _Asking(gateway, self._marker, self._key, self._floor, basket.name)
        results: list[CaseResult] = []
        progress(facts.name, 0, len(cases))
        limit = anyio.CapacityLimiter(_AT_ONCE_OUTSIDE if facts.host else 1)

        async def one(case: Case) -> None:
            async with limit:
                results.append(await asking.result(case))
            progress(facts.name, len(results), len(cases))

        async with anyio.create_task_group() as tasks:
            for case in cases:
                tasks.start_soon(one, case)
        return _summed(upstream, sorted(results, key=lambda each: each.line))


class _Asking:
    """Asks one upstream; loses its patience once a case could not be had at all."""

    def __init__(
        self, gateway: Gateway, marker: Marker, key: Key, floor: DataClass, model: str
    ) -> None:
        self._gateway = gateway
        self._marker = marker
        self._key = key
        self._floor = floor
        self._model = model
        self._patient = True

    async def result(self, case: Case) -> CaseResult:
        plain = CaseResult(id=case.id, line=case.line, kind=kind_of(case.check), outcome="error")
        request = msgspec.structs.replace(case.request, model=self._model)
        try:
            asked = await self._ask(request)
        except PolicyRefused as error:
            rules = "; ".join(error.rules.values())
            return msgspec.structs.replace(plain, outcome="not allowed", why=rules)
        except BasketError as error:
            # What it will not take it fails; silence tells nothing of it.
            refused = isinstance(error, InvalidRequest | UpstreamRejected)
            outcome = "failed" if refused else "error"
            return msgspec.structs.replace(plain, outcome=outcome, why=error.code)
        receipt = asked.receipt
        told = msgspec.structs.replace(
            plain,
            cost=receipt.cost,
            input_tokens=receipt.input_tokens,
            output_tokens=receipt.output_tokens,
            first_token_ms=receipt.first_token_ms,
            duration_ms=receipt.duration_ms,
            request_id=receipt.request_id,
            answer=asked.choice.text[:_KEPT_OF_ANSWER],
        )
        try:
            mark = await self._marker.mark(case, asked.choice)
        except BasketError as error:
            return msgspec.structs.replace(told, why=f"not marked: {error.message}")
        return msgspec.structs.replace(
            told,
            outcome="passed" if mark.passed else "failed",
            why=mark.why,
            cost=told.cost + mark.cost,
        )

    async def _ask(self, request: ChatRequest) -> Asked:
        pauses = list(_PAUSES_SECONDS) if self._patient else []
        while True:
            try:
                asked = await ask(self._gateway, self._key, request, floor=self._floor)
            except UpstreamError as error:
                if not error.retryable:
                    raise
                self._patient = bool(pauses)
                if not pauses:
                    raise
                await anyio.sleep(max(pauses.pop(0), _asked_to_wait(error)))
            else:
                self._patient = True
                return asked


def _asked_to_wait(error: UpstreamError) -> float:
    """The seconds that a busy upstream asked for, in bounds."""
    attempts = error.attempts if isinstance(error, AllUpstreamsFailed) else (("", error),)
    waits = [each.retry_after or 0.0 for _, each in attempts if isinstance(each, UpstreamLimited)]
    return min(max(waits, default=0.0), _LONGEST_PAUSE_SECONDS)


def absent(upstream: str) -> UpstreamParity:
    """A member of the basket that is not up here."""
    return UpstreamParity(upstream=upstream, state="absent", reason="not served here")


def _summed(upstream: Upstream, cases: Sequence[CaseResult]) -> UpstreamParity:
    """Only where every case was answered there is a score: the others could have been the hard."""
    facts = upstream.facts
    passed = sum(each.outcome == "passed" for each in cases)
    state, reason = _state(cases)
    low, high = wilson(passed, len(cases))
    measured = state == "measured"
    return UpstreamParity(
        upstream=facts.name,
        state=state,
        reason=reason,
        model=facts.model,
        digest=facts.digest,
        engine=facts.engine,
        law=facts.law,
        passed=passed,
        total=len(cases),
        score=passed / len(cases) if measured else None,
        low=low if measured else None,
        high=high if measured else None,
        kinds=_kinds(cases),
        cost=sum(each.cost for each in cases),
        input_tokens=sum(each.input_tokens for each in cases),
        output_tokens=sum(each.output_tokens for each in cases),
        first_token_ms_p50=_middle([each.first_token_ms for each in cases]),
        duration_ms_p50=_middle([each.duration_ms or None for each in cases]),
        cases=tuple(cases),
    )


def _state(cases: Sequence[CaseResult]) -> tuple[State, str]:
    forbidden = [each for each in cases if each.outcome == "not allowed"]
    broken = [each for each in cases if each.outcome == "error"]
    if len(forbidden) == len(cases):
        return "not allowed", forbidden[0].why
    if forbidden:
        return "incomplete", f"{len(forbidden)} of {len(cases)} cases not allowed"
    if broken:
        return "incomplete", f"{len(broken)} of {len(cases)} cases without a result"
    return "measured", ""


def _kinds(cases: Sequence[CaseResult]) -> tuple[KindScore, ...]:
    outcomes: dict[Kind, list[bool]] = {}
    for each in cases:
        outcomes.setdefault(each.kind, []).append(each.outcome == "passed")
    return tuple(KindScore(kind, sum(told), len(told)) for kind, told in outcomes.items())


def _middle(known: Sequence[float | None]) -> float | None:
    told = [each for each in known if each is not None]
    return round(median(told), 1) if told else None
