"""Baskets: the public model names, and what may answer behind each."""

from collections.abc import Iterable, Iterator

import msgspec

from secondbasket.core.model import ModelTask
from secondbasket.core.ports import Upstream
from secondbasket.errors import InvalidRequest, ModelNotFound, UpstreamUnavailable


class Basket(msgspec.Struct, frozen=True):
    """One public model name and its interchangeable upstreams, in order of preference."""

    name: str
    task: ModelTask
    upstreams: tuple[Upstream, ...]
    created: int = 0

    def choose(self) -> Upstream:
        """The first upstream that is ready. Raises UpstreamUnavailable when none is."""
        for upstream in self.upstreams:
            if upstream.ready():
                return upstream
        raise UpstreamUnavailable(
            f"Nothing behind '{self.name}' is ready to answer.",
            hint="It may still be loading: try again in a moment, or look at `basket status`.",
        )


class Baskets:
    """The baskets in force, by name."""

    def __init__(self, baskets: Iterable[Basket] = ()) -> None:
        self._baskets = {basket.name: basket for basket in baskets}

    def __iter__(self) -> Iterator[Basket]:
        return iter(self._baskets.values())

    def put(self, basket: Basket) -> None:
        self._baskets[basket.name] = basket

    def remove(self, name: str) -> None:
        self._baskets.pop(name, None)

    def find(self, name: str, task: ModelTask | None = None) -> Basket:
        """Raises ModelNotFound, or InvalidRequest where the model is for another task."""
        basket = self._baskets.get(name)
        if basket is None:
            known = ", ".join(sorted(self._baskets)) or "none yet"
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
