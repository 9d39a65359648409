"""What a drill takes away, and what stands there without it. Nothing here is asked by routing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from secondbasket.core.data_class import DataClass
from secondbasket.core.drill import Stopped
from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.cuts import Cut, Cuts, names_of
from secondbasket.errors import InvalidRequest
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.gateway import Forbidden

HoldDown = Callable[[str], AbstractContextManager[None]]
"""In the block, no process of this engine lives."""


class Scene:
    """`cuts` as they act on `baskets`; `live` ones act on everybody and kill engines."""

    def __init__(
        self, cuts: Sequence[Cut], *, live: bool, baskets: Baskets, forbidden: Forbidden
    ) -> None:
        self.cuts = tuple(cuts)
        self._live = live
        self._baskets = baskets
        self._forbidden = forbidden

    def require_effect(self) -> None:
        """Raises InvalidRequest for a cut that takes nothing away: it would prove nothing."""
        known = [each.facts for each in self._baskets.upstreams().values()]
        for cut in self.cuts:
            if not any(cut.severs(facts) for facts in known):
                raise InvalidRequest(
                    f"'{cut}' takes nothing away: no upstream of any basket has that {cut.kind}.",
                    hint=_there_is(cut, known),
                    param="cut",
                )

    def severs(self, facts: UpstreamFacts) -> bool:
        return any(cut.severs(facts) for cut in self.cuts)

    @contextmanager
    def inflict(self, cuts: Cuts, hold_down: HoldDown) -> Iterator[None]:
        """Take it away in the block; it is given back however the block ends."""
        killed = [cut for cut in self.cuts if self._live and cut.kind == "engine"]
        with ExitStack() as taken:
            # A killed engine resets its connections itself.
            severed = [cut for cut in self.cuts if cut not in killed]
            taken.enter_context(cuts.inflict(severed, live=self._live))
            for cut in killed:
                for engine in self._engines(cut):
                    taken.enter_context(hold_down(engine))
            yield

    def _engines(self, cut: Cut) -> set[str]:
        known = (each.facts for each in self._baskets.upstreams().values())
        return {facts.engine_family for facts in known if cut.severs(facts)}

    def refused_without(self, basket: Basket, data_class: DataClass) -> bool:
        """Is somebody left in `basket`, and policy lets none of them see `data_class`?"""
        left = [each.facts for each in basket.upstreams if not self.severs(each.facts)]
        return bool(left) and all(self._forbidden(data_class, facts) for facts in left)

    def would_stop(self) -> tuple[Stopped, ...]:
        """Every basket that has nobody left, and for data of which classes."""
        found = []
        for basket in self._baskets:
            facts = [each.facts for each in basket.upstreams]
            left = [each for each in facts if not self.severs(each)]
            stopped = tuple(
                data_class.label
                for data_class in DataClass
                if self._may(data_class, facts) and not self._may(data_class, left)
            )
            if stopped:
                found.append(Stopped(basket=basket.name, data_classes=stopped))
        return tuple(found)

    def _may(self, data_class: DataClass, facts: Iterable[UpstreamFacts]) -> bool:
        return any(self._forbidden(data_class, each) is None for each in facts)


def _there_is(cut: Cut, known: Iterable[UpstreamFacts]) -> str:
    names = sorted({name for facts in known for name in names_of(cut.kind, facts)})
    return f"There is: {', '.join(f'{cut.kind}:{name}' for name in names) or 'nothing to cut'}."
