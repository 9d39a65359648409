"""Search by words and by meaning at once, the two rankings fused."""

from collections.abc import Mapping, Sequence

import anyio
from sqlalchemy import RowMapping

from secondbasket.apps.documents.embedding import Embed, Vector
from secondbasket.apps.documents.records import DocumentRecords
from secondbasket.apps.documents.vectors import Vectors
from secondbasket.apps.documents.words import words_of
from secondbasket.core.data_class import DataClass
from secondbasket.core.document import Answer, Collection, Extract, Found
from secondbasket.errors import BasketError, InvalidRequest, NotFound

MOST_RESULTS = 50
_LONGEST_QUESTION = 2000
_RANKED = 50
# Of reciprocal-rank fusion: the smaller, the more the first places count. With the usual 60, made
# for long lists, what is nowhere good but in both rankings comes before what is best in one.
_FUSION = 5


class Search:
    """Finds passages in collections, and reads on from them."""

    def __init__(self, records: DocumentRecords, embed: Embed) -> None:
        self._records = records
        self._embed = embed
        self._vectors = Vectors(records)

    async def search(
        self,
        question: str,
        *,
        collections: Sequence[str] | None = None,
        limit: int = 5,
        data_class: DataClass = DataClass.PUBLIC,
        meaning: bool = True,
    ) -> Answer:
        """The `limit` best passages for `question`, which is of `data_class`.

        Without `collections`, in all. Where no vectors can be had, and without
        `meaning`, words alone rank. Raises NotFound for an unknown collection.
        """
        if not question.strip() or len(question) > _LONGEST_QUESTION:
            raise InvalidRequest(
                f"A question has 1 to {_LONGEST_QUESTION} letters.", param="question"
            )
        if not 0 < limit <= MOST_RESULTS:
            raise InvalidRequest(f"'limit' is a number from 1 to {MOST_RESULTS}.", param="limit")
        known = {each.name: each for each in await self._records.collections()}
        asked = _asked(known, collections)
        within = None if len(asked) == len(known) else [each.name for each in asked]
        rankings: list[list[int]] = []
        note = ""

        async def by_words() -> None:
            found = await self._records.worded(words_of(question), within, _RANKED)
            rankings.append([number for number, _ in found])

        async def by_meaning() -> None:
            nonlocal note
            ranked, note = await self._by_meaning(question, asked, data_class)
            if not note:
                rankings.append(ranked)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(by_words)
            if meaning:
                tasks.start_soon(by_meaning)
        fused = _fused(rankings)[:limit]
        rows = await self._records.passages([number for number, _ in fused])
        return Answer(
            found=tuple(
                _found(rows[number], score, known) for number, score in fused if number in rows
            ),
            by="words and meaning" if meaning and not note else "words",
            note=note,
        )

    async def _by_meaning(
        self, question: str, asked: Sequence[Collection], data_class: DataClass
    ) -> tuple[list[int], str]:
        """Passages' numbers, the nearest first; or why there is no such ranking."""
        there = [each for each in asked if each.embedding]
        if not there:
            return [], "None of these collections has vectors." if asked else ""
        if not self._embed.basket:
            return [], "No embedding model is set (models.default_embedding)."
        other = [each.name for each in there if each.embedding != self._embed.basket]
        if other:
            return [], (
                f"The vectors of '{other[0]}' are not of '{self._embed.basket}';"
                " remove the collection and add its files again."
            )
        try:
            [vector] = await self._embed([question], data_class)
        except BasketError as error:
            return [], f"No vector of the question could be had: {error.message}"
        return await self._nearest(vector, there), ""

    async def _nearest(self, vector: Vector, there: Sequence[Collection]) -> list[int]:
        near: list[tuple[int, float]] = []
        for each in there:
            near += await self._vectors.nearest(each.name, vector, _RANKED)
        near.sort(key=lambda found: (-found[1], found[0]))
        return [number for number, _ in near[:_RANKED]]

    async def read(
        self,
        document: str,
        *,
        collections: Sequence[str] | None = None,
        start: int = 0,
        count: int = 20,
    ) -> Extract:
        """`count` passages from the position `start` on of the document with this id or source.

        Raises NotFound, also for one of another collection than `collections` name.
        """
        known = {each.name: each for each in await self._records.collections()}
        for each in _asked(known, collections):
            try:
                found = await self._records.find(document, each.name)
            except NotFound:
                continue
            rows = await self._records.extract(found, start, count + 1)
            return Extract(
                document=found,
                data_class=each.data_class,
                passages=tuple(_found(row, 0.0, known) for row in rows[:count]),
                next=start + count if len(rows) > count else None,
            )
        raise NotFound(
            f"There is no document '{document[:200]}' here.",
            hint="Name one that a search has found.",
        )


def _asked(
    known: Mapping[str, Collection], collections: Sequence[str] | None
) -> Sequence[Collection]:
    if collections is None:
        return list(known.values())
    for name in collections:
        if name not in known:
            raise NotFound(
                f"There is no collection '{name[:64]}'.",
                hint=f"There are: {', '.join(known) or 'none yet'}.",
            )
    return [known[name] for name in dict.fromkeys(collections)]


def _fused(rankings: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """(passage number, score), best first: each ranking gives one part of what it ranks first,
    and less of what it ranks later."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking, 1):
            scores[number] = scores.get(number, 0.0) + 1 / (_FUSION + rank)
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))


def _found(row: RowMapping, score: float, known: Mapping[str, Collection]) -> Found:
    return Found(
        document=row["document"],
        collection=row["collection"],
        source=row["source"],
        place=row["place"],
        text=row["text"],
        score=round(score, 6),
        data_class=known[row["collection"]].data_class,
        position=row["position"],
    )
