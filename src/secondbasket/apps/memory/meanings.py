"""What texts mean, as far as something makes vectors now; where nothing does, words have to do."""

import logging
from collections.abc import Sequence

from secondbasket.apps.memory.courtesies import (
    COURTESIES,
    MATTERS,
    in_question,
    is_courtesy,
    without_names,
)
from secondbasket.apps.memory.placing import Meaning
from secondbasket.apps.memory.statement import Statement, class_of
from secondbasket.apps.memory.vectors import Embedder, packed
from secondbasket.core.data_class import DataClass
from secondbasket.errors import BasketError

_log = logging.getLogger(__name__)


class Meanings:
    """`embedder` is what makes vectors, None for none."""

    def __init__(self, embedder: Embedder | None) -> None:
        self._embedder = embedder
        self._examples: Sequence[Meaning] | None = None

    @property
    def model(self) -> str | None:
        return None if self._embedder is None else self._embedder.model

    async def of(self, sentence: str, data_class: DataClass) -> Meaning | None:
        made = await self.of_all([sentence], data_class)
        return None if made is None else made[0]

    async def of_all(
        self, sentences: Sequence[str], data_class: DataClass
    ) -> Sequence[Meaning] | None:
        """Those of texts of a class, in order. None where they cannot be made now."""
        if self._embedder is None:
            return None
        try:
            made = await self._embedder.embed(sentences, data_class)
        except BasketError as exc:
            _log.warning("memory goes by words alone: %s", exc)
            return None
        return [Meaning(self._embedder.model, packed(each)) for each in made]

    async def courtesy(self, told: Statement) -> str | None:
        """Why `told` is not kept, where it means no more than a courtesy does."""
        if self._embedder is None or not in_question(told):
            return None
        if self._examples is None:
            self._examples = await self.of_all((*COURTESIES, *MATTERS), DataClass.PUBLIC)
        here = await self.of(without_names(told.sentence), class_of(told.data_class))
        if self._examples is None or here is None or not here.vector:
            return None
        known = [each.vector for each in self._examples]
        if is_courtesy(here.vector, known[: len(COURTESIES)], known[len(COURTESIES) :]):
            return "it means no more than a courtesy"
        return None
