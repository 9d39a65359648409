"""Explains what would happen to a request, without sending it anywhere or writing it down."""

from secondbasket.core.data_class import DataClass
from secondbasket.core.explanation import Allowed, Denied, Explanation, Found
from secondbasket.core.key import Key
from secondbasket.core.ports import Upstream
from secondbasket.errors import InvalidRequest
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.demand import Demand, Request, demand_of
from secondbasket.maas.guard import Guard
from secondbasket.maas.health import Health
from secondbasket.maas.routing import Router
from secondbasket.policy.verdict import Verdict


class Explainer:
    """Asks the same guard, router and health as the calls do."""

    def __init__(self, baskets: Baskets, guard: Guard, router: Router, health: Health) -> None:
        self._baskets = baskets
        self._guard = guard
        self._router = router
        self._health = health

    async def explain(
        self,
        request: Request,
        *,
        key: Key | None = None,
        project: str | None = None,
        asked: DataClass = DataClass.PUBLIC,
    ) -> Explanation:
        """`asked` is the class that its caller gives it. Raises ModelNotFound, InvalidRequest."""
        demand = demand_of(request)
        basket = self._baskets.find(request.model, demand.task)
        classification = await self._guard.classify(key, request, asked, project=project)
        allowed: list[Allowed] = []
        denied: list[Denied] = []
        place = 0
        for upstream in self._router.route(basket).upstreams:
            facts = upstream.facts
            verdict = self._guard.judge(classification.data_class, facts)
            if not verdict.allowed:
                denied.append(
                    Denied(
                        upstream=facts.name,
                        rule=verdict.rule,
                        law=facts.law,
                        vendor=facts.vendor,
                    )
                )
                continue
            reason = self._why_not(upstream, demand)
            place += not reason
            allowed.append(self._allowed(basket, upstream, demand, verdict, place, reason))
        return Explanation(
            model=request.model,
            data_class=classification.data_class.label,
            sources={name: each.label for name, each in classification.sources.items()},
            raised_by=classification.raised_by,
            findings=tuple(
                Found(kind=each.kind, count=each.count, data_class=each.data_class.label)
                for each in classification.findings
            ),
            unread=classification.unread,
            routing=basket.rules.routing,
            allowed=tuple(allowed),
            denied=tuple(denied),
        )

    def _why_not(self, upstream: Upstream, demand: Demand) -> str:
        """Why it would be passed over, as failover would find."""
        if not upstream.ready():
            return "not ready"
        unfit = demand.unfit(upstream.facts)
        return self._health.of(upstream.facts.name).why_not() or (unfit.message if unfit else "")

    def _allowed(
        self,
        basket: Basket,
        upstream: Upstream,
        demand: Demand,
        verdict: Verdict,
        place: int,
        reason: str,
    ) -> Allowed:
        facts = upstream.facts
        try:
            most = facts.price.cost(demand.most(facts))
        except InvalidRequest:
            most = None
        return Allowed(
            upstream=facts.name,
            rule=verdict.rule,
            place=0 if reason else place,
            reason=reason,
            unproven=self._router.unproven(basket, facts) or "",
            law=facts.law,
            vendor=facts.vendor,
            most_cost=most,
            currency=facts.price.currency,
        )
