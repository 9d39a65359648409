"""The matrices of the collections that are searched, kept in step with the database."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio

from secondbasket.apps.documents.records import DocumentRecords

if TYPE_CHECKING:
    from secondbasket.apps.documents.matrix import Matrix

_MOST_KEPT = 200_000  # passages, over all collections: 300 MB at 384 numbers each


class Vectors:
    """Loaded by the first search of a collection; the least used are let go when too many are."""

    def __init__(self, records: DocumentRecords) -> None:
        self._records = records
        self._loading = anyio.Lock()
        self._kept: OrderedDict[str, tuple[int, Matrix]] = OrderedDict()

    async def nearest(
        self, collection: str, vector: Sequence[float], count: int
    ) -> list[tuple[int, float]]:
        """(passage number, cosine) of the `count` nearest, best first."""
        matrix = await self._matrix(collection)
        return await anyio.to_thread.run_sync(matrix.nearest, vector, count)

    async def _matrix(self, collection: str) -> "Matrix":
        async with self._loading:
            revision = await self._records.revision(collection)
            kept = self._kept.get(collection)
            if kept is None or kept[0] != revision:
                before = None if kept is None else kept[1]
                kept = (revision, await self._changed(collection, before))
                self._kept[collection] = kept
            self._kept.move_to_end(collection)
            self._let_go()
            return kept[1]

    async def _changed(self, collection: str, before: "Matrix | None") -> "Matrix":
        # numpy weighs 20 MB, and who searches no documents does without.
        from secondbasket.apps.documents.matrix import Matrix  # noqa: PLC0415 - as told

        if before is None:
            return await anyio.to_thread.run_sync(
                Matrix.of, await self._records.vectors(collection)
            )
        here = await self._records.numbers(collection)
        had = before.numbers()
        added = await self._records.vectors(collection, after=max(had, default=0))
        return await anyio.to_thread.run_sync(before.changed, here, added)

    def _let_go(self) -> None:
        while (
            len(self._kept) > 1 and sum(len(each) for _, each in self._kept.values()) > _MOST_KEPT
        ):
            self._kept.popitem(last=False)
