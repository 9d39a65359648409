"""Baskets: the public model names, and what may answer behind each."""

import time
from collections.abc import Iterable, Iterator

import msgspec

from secondbasket.core.model import ModelTask
from secondbasket.core.ports import Upstream
from secondbasket.core.rules import BasketRules
from secondbasket.errors import InvalidRequest, ModelNotFound


class Basket(msgspec.Struct, frozen=True):
    """One public model name and its interchangeable upstreams, in order of preference."""

    name: str
    task: ModelTask
    upstreams: tuple[Upstream, ...]
    created: int = 0
    rules: BasketRules = BasketRules()

    def ready(self) -> bool:
        """Whether something behind it can answer now."""
        return any(upstream.ready() for upstream in self.upstreams)


class BasketPlan(msgspec.Struct, frozen=True):
    """A basket as the settings write it: its members by name, whether they are up or not."""

    name: str
    task: ModelTask
    members: tuple[str, ...]
    rules: BasketRules = BasketRules()


class Baskets:
    """The baskets in force, by name: those the settings plan, and one for each local model.

    A plan takes the place of a local model's own basket of the same name. Its
    members that are not up are left out until they are.
    """

    def __init__(self, baskets: Iterable[Basket] = ()) -> None:
        self._local = {basket.name: basket for basket in baskets}
        self._plans: dict[str, BasketPlan] = {}
        self._outside: dict[str, Upstream] = {}
        self._created: dict[str, int] = {}
        self._in_force = dict(self._local)

    def __iter__(self) -> Iterator[Basket]:
        return iter(self._in_force.values())

    def configure(self, plans: Iterable[BasketPlan], upstreams: Iterable[Upstream]) -> None:
        """Put what the settings say in place of what they said before, all at once."""
        self._plans = {plan.name: plan for plan in plans}
        self._outside = {upstream.facts.name: upstream for upstream in upstreams}
        self._renew()

    def put(self, basket: Basket) -> None:
        """A local model is up; its upstreams can be members of plans too."""
        self._local[basket.name] = basket
        self._renew()

    def remove(self, name: str) -> None:
        """A local model is no longer served."""
        self._local.pop(name, None)
        self._renew()

    def outside(self) -> tuple[Upstream, ...]:
        """The upstreams of the settings."""
        return tuple(self._outside.values())

    def upstreams(self) -> dict[str, Upstream]:
        """Everything that can answer behind some basket, by name."""
        return {each.facts.name: each for basket in self for each in basket.upstreams}

    def planned(self, name: str) -> BasketPlan | None:
        """What the settings say of this name."""
        return self._plans.get(name)

    def find(self, name: str, task: ModelTask | None = None) -> Basket:
        """Raises ModelNotFound, or InvalidRequest where the model is for another task."""
        basket = self._in_force.get(name)
        if basket is None:
            known = ", ".join(sorted(self._in_force)) or "none yet"
            raise ModelNotFound(
                f"There is no model '{name[:100]}'.",
                hint=f"Models here: {known}.",
                param="model",
            )
        if task is not None and basket.task != task:
            raise InvalidRequest(
                f"'{name}' is a model for {basket.task}, not for {task}.",
                hint="Choose another model; GET /v1/models lists them.",
                param="model",
            )
        return basket

    def _renew(self) -> None:
        here = {each.facts.name: each for b in self._local.values() for each in b.upstreams}
        known = here | self._outside
        in_force = dict(self._local)
        for plan in self._plans.values():
            in_force[plan.name] = Basket(
                plan.name,
                plan.task,
                tuple(known[member] for member in plan.members if member in known),
                created=self._created.setdefault(plan.name, int(time.time())),
                rules=plan.rules,
            )
        self._in_force = in_force
