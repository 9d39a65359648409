"""Parity as operators handle it: run over a basket, listed, shown, and counted from then on."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import anyio
import msgspec

from secondbasket.core.clock import now, parse
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.ids import new_id
from secondbasket.core.key import Key
from secondbasket.core.ports import Upstream
from secondbasket.errors import Conflict, InvalidRequest, UpstreamUnavailable
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.gateway import Finder, Gateway
from secondbasket.maas.parity.checks import Judged
from secondbasket.maas.parity.evals import (
    Evals,
    WrongCase,
    content_of,
    digest_of,
    read_evals,
    refuse,
    schemas_of,
    shipped,
)
from secondbasket.maas.parity.examiner import Examiner
from secondbasket.maas.parity.judge import Judge, require_other
from secondbasket.maas.parity.marks import Marker
from secondbasket.maas.parity.orders import ParityOrder, ParityPlan
from secondbasket.maas.parity.records import ParityRecords
from secondbasket.maas.parity.results import ParityRun, UpstreamParity
from secondbasket.maas.parity.run import Progress, Runner, absent
from secondbasket.maas.parity.standing import Measurement, ParityStanding


class ParityDesk:
    """`over` makes a gateway over given baskets, `gateway` is everybody's and asks the judge.

    `settled` returns once no engine is on its way up any more; `record` keeps decisions.
    """

    def __init__(
        self,
        *,
        baskets: Baskets,
        standing: ParityStanding,
        records: ParityRecords,
        over: Callable[[Finder], Gateway],
        gateway: Gateway,
        record: Callable[[Decision], None],
        settled: Callable[[], Awaitable[None]],
        currency: str,
    ) -> None:
        self._baskets = baskets
        self._standing = standing
        self._records = records
        self._over = over
        self._gateway = gateway
        self._record = record
        self._settled = settled
        self._currency = currency
        self._plans: Mapping[str, ParityPlan] = {}
        self._running = False
        # It opens nothing: there is no secret to it, and no row among the keys.
        self._key = Key(
            id="key_parity",
            name="parity",
            role="user",
            budget=None,
            currency=currency,
            created_at=now(),
        )

    async def load(self) -> None:
        """Take what was measured before into account."""
        self._standing.take(await self._records.measurements())

    def prepare(self, plans: Mapping[str, ParityPlan]) -> Callable[[], None]:
        """Reads the files of `plans` and returns what puts them in force. Raises SettingsError."""
        digests = {
            name: digest_of(content_of(plan.evals, key=f"baskets.{name}.parity_evals")[1])
            for name, plan in plans.items()
        }

        def commit() -> None:
            self._plans = dict(plans)
            self._standing.expect(digests, digest_of(shipped()))

        return commit

    async def list(self, *, basket: str | None, limit: int) -> Sequence[ParityRun]:
        return await self._records.list(basket=basket, limit=limit)

    async def find(self, run_id: str) -> ParityRun:
        """Raises NotFound."""
        return await self._records.find(run_id)

    async def run(self, order: ParityOrder, progress: Progress) -> ParityRun:
        """Ask every case of every upstream; what came of it is kept, and counts.

        Raises ModelNotFound, InvalidRequest (a wrong case, the wrong judge),
        UpstreamUnavailable where nothing is there to be asked, Conflict while
        another run is under way.
        """
        basket = self._baskets.find(order.basket, "chat")
        if self._running:
            raise Conflict(
                "A parity run is under way; two would spoil each other's times.",
                hint="Wait for its end.",
            )
        self._running = True
        try:
            async with Examiner() as examiner:
                return await self._run(basket, order, examiner, progress)
        finally:
            self._running = False

    async def _run(
        self, basket: Basket, order: ParityOrder, examiner: Examiner, progress: Progress
    ) -> ParityRun:
        plan = self._plans.get(basket.name, ParityPlan())
        evals = await anyio.to_thread.run_sync(self._evals, basket.name, plan, order)
        await _check_schemas(evals, examiner)
        upstreams, missing = self._upstreams(basket, order.upstream)
        floor = _data_class(order.data_class)
        judge = self._judge(evals, order.judge or plan.judge, upstreams)
        grade = None if judge is None else Judge(self._gateway, judge, self._key, floor)
        if order.evals is None:
            self._standing.expect_of(basket.name, evals.digest)
        judged_by = None if judge is None else self._baskets.find(judge, "chat")
        ready = all(each.ready() for each in upstreams)
        if not ready or (judged_by is not None and not judged_by.ready()):
            await self._settled()
        runner = Runner(over=self._over, marker=Marker(examiner, grade), key=self._key, floor=floor)
        at = now()
        results = [await runner.measure(basket, each, evals.cases, progress) for each in upstreams]
        results += [absent(name) for name in missing]
        run = ParityRun(
            id=new_id("parity"),
            at=at,
            basket=basket.name,
            evals=evals.name,
            evals_digest=evals.digest,
            judge=judge,
            data_class=floor.label,
            currency=self._currency,
            floor=basket.rules.parity_floor,
            complete=all(each.state == "measured" for each in results),
            cost=sum(each.cost for each in results),
            upstreams=tuple(results),
        )
        return await self._keep(basket, run)

    async def _keep(self, basket: Basket, run: ParityRun) -> ParityRun:
        self._standing.take(_measurements(run))
        facts = {each.facts.name: each.facts for each in basket.upstreams}
        told = tuple(
            msgspec.structs.replace(
                each, unproven=self._standing.unproven(basket, facts[each.upstream])
            )
            if each.upstream in facts
            else each
            for each in run.upstreams
        )
        run = msgspec.structs.replace(run, upstreams=told)
        await self._records.add(run)
        self._record(
            Decision(
                kind="parity_measured",
                subject=run.basket,
                outcome="complete" if run.complete else "incomplete",
                detail={
                    "run": run.id,
                    "evals": run.evals_digest,
                    **{f"upstream {each.upstream}": _in_words(each) for each in run.upstreams},
                },
            )
        )
        return run

    def _evals(self, basket: str, plan: ParityPlan, order: ParityOrder) -> Evals:
        if order.evals is not None:
            return read_evals(order.evals.encode(), order.evals_name or "the given evals")
        name, content = content_of(plan.evals, key=f"baskets.{basket}.parity_evals")
        return read_evals(content, name)

    def _upstreams(
        self, basket: Basket, only: str | None
    ) -> tuple[Sequence[Upstream], Sequence[str]]:
        """Those to measure, and the names of members that are not up."""
        here = {each.facts.name: each for each in basket.upstreams}
        plan = self._baskets.planned(basket.name)
        missing = [name for name in (plan.members if plan else ()) if name not in here]
        if only is None:
            if not here:
                raise UpstreamUnavailable(
                    f"Nothing behind '{basket.name}' is served here.",
                    hint="`basket status` shows what is.",
                )
            return list(here.values()), missing
        if only not in here:
            raise InvalidRequest(
                f"'{only[:100]}' is not served behind '{basket.name}'.",
                hint=f"Its upstreams are: {', '.join(here) or 'none'}.",
                param="upstream",
            )
        return [here[only]], ()

    def _judge(self, evals: Evals, name: str | None, upstreams: Sequence[Upstream]) -> str | None:
        """The judge's basket, None where nothing is to be judged. Raises InvalidRequest."""
        judged = [case for case in evals.cases if isinstance(case.check, Judged)]
        if not judged:
            return None
        if name is None:
            raise InvalidRequest(
                f"{evals.name} has {len(judged)} cases for a judge, the first in line"
                f" {judged[0].line}, and no judge is named.",
                hint="Name a basket of another model with parity_judge or --judge.",
                param="judge",
            )
        require_other(self._baskets.find(name, "chat"), [each.facts for each in upstreams])
        return name


async def _check_schemas(evals: Evals, examiner: Examiner) -> None:
    wrong = []
    for case in evals.cases:
        for schema in schemas_of(case):
            fault = await examiner.check_schema(schema)
            if fault:
                wrong.append(WrongCase(case.line, fault))
    refuse(evals.name, wrong)


def _data_class(label: str | None) -> DataClass:
    try:
        return DataClass.PUBLIC if label is None else DataClass.parse(label)
    except ValueError as exc:
        raise InvalidRequest(f"{exc}.", param="data_class") from exc


def _measurements(run: ParityRun) -> Sequence[Measurement]:
    return [
        Measurement(
            basket=run.basket,
            upstream=each.upstream,
            model=each.model,
            digest=each.digest,
            evals_digest=run.evals_digest,
            at=parse(run.at).timestamp(),
            score=each.score,
        )
        for each in run.upstreams
        if each.score is not None
    ]


def _in_words(each: UpstreamParity) -> str:
    if each.score is None:
        return f"{each.state}: {each.reason}"
    return f"{each.passed} of {each.total} passed"
