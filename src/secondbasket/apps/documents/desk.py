"""Documents as people and workers handle them: added, listed, searched, erased."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import anyio

from secondbasket.apps.documents.embedding import Embed
from secondbasket.apps.documents.ingest import Ingest, Report
from secondbasket.apps.documents.records import DocumentRecords
from secondbasket.apps.documents.search import Search
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.document import (
    DEFAULT_COLLECTION,
    Collection,
    Document,
    Erased,
    Ingested,
)
from secondbasket.errors import Conflict, InvalidRequest, NotFound

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MOST_TOLD = 20

Listener = Callable[[str, Sequence[str]], Awaitable[None]]
"""Is told a collection and sources whose content was erased or replaced."""


class DocumentDesk:
    """`record` keeps decisions; `search` is what tools are handed."""

    def __init__(
        self, records: DocumentRecords, embed: Embed, *, record: Callable[[Decision], None]
    ) -> None:
        self.search = Search(records, embed)
        self._records = records
        self._embed = embed
        self._ingest = Ingest(records, embed, self._tell)
        self._record = record
        self._listeners: list[Listener] = []
        self._telling: set[str] = set()
        self._changing = anyio.Lock()

    def on_gone(self, listener: Listener) -> None:
        """`listener` is called after content is erased or replaced: what was made of it is not so
        any more."""
        self._listeners.append(listener)

    async def _tell(self, collection: str, sources: Sequence[str]) -> None:
        self._telling |= set(sources)
        try:
            for each in self._listeners:
                await each(collection, sources)
        finally:
            self._telling -= set(sources)

    async def add(
        self,
        paths: Sequence[str],
        report: Report,
        *,
        collection: str = DEFAULT_COLLECTION,
        data_class: DataClass | None = None,
    ) -> Ingested:
        """Read files and folders at absolute `paths` into `collection`, which is made if need be.

        A new collection is internal unless `data_class` says otherwise. Raises
        InvalidRequest, NotFound, and Conflict where the collection is of another class.
        """
        if not _NAME.fullmatch(collection):
            raise InvalidRequest(
                f"{collection[:64]!r} is no name of a collection.",
                hint="It has up to 64 small letters, digits, '-' and '_'.",
                param="collection",
            )
        async with self._changing:
            wanted = DataClass.INTERNAL if data_class is None else data_class
            here = await self._records.create(collection, wanted, self._embed.basket)
            if data_class is not None and data_class.label != here.data_class:
                raise Conflict(
                    f"'{collection}' is {here.data_class}; its class does not change.",
                    hint="Choose another collection, or remove this one first.",
                )
            if here.embedding not in ("", self._embed.basket):
                raise Conflict(
                    f"The vectors of '{collection}' are of '{here.embedding}',"
                    f" and models.default_embedding is '{self._embed.basket}'.",
                    hint="Set it back, or remove the collection and add its files again.",
                )
            done = await self._ingest.run(here, paths, report)
        self._record(
            Decision(
                kind="documents_added",
                subject=collection,
                outcome="partly" if done.unreadable else "done",
                detail={
                    "data_class": here.data_class,
                    "added": str(done.added),
                    "changed": str(done.changed),
                    "removed": str(done.removed),
                    "unreadable": str(len(done.unreadable)),
                },
            )
        )
        return done

    async def collections(self) -> Sequence[Collection]:
        """By name, with how much they hold."""
        return await self._records.collections(counted=True)

    async def documents(self, collection: str | None) -> Sequence[Document]:
        """By source. Raises NotFound for an unknown collection."""
        if collection is not None:
            await self._records.collection(collection)
        return await self._records.documents(collection)

    async def remove(self, wanted: str | None, *, collection: str) -> Erased:
        """Erase a document, by id or source, or all below a folder; None: the whole collection.

        Its passages go, their vectors, and what the word index has of them.
        Raises NotFound.
        """
        async with self._changing:
            await self._records.collection(collection)
            sources = [] if wanted is None else await self._sources(wanted, collection)
            erased = await self._records.remove(collection, sources, whole=wanted is None)
        self._keep(erased)
        await self._tell(collection, erased.sources)
        return erased

    async def forget(self, source: str) -> Mapping[str, int]:
        """Erase the documents at `source` from every collection, because somebody else erases what
        rests on them; how much went, by place. Nobody is told: they know.

        What they were told of by us is no order to us.
        """
        if source in self._telling:
            return {}
        gone = {"documents": 0, "passages": 0, "vectors": 0, "words": 0}
        async with self._changing:
            for each in await self._records.collections():
                erased = await self._records.remove(each.name, [source], whole=False)
                if not erased.sources:
                    continue
                self._keep(erased)
                gone["documents"] += 1
                gone["passages"] += erased.passages
                gone["vectors"] += erased.vectors
                gone["words"] += erased.words
        return gone

    def _keep(self, erased: Erased) -> None:
        told = erased.sources[:_MOST_TOLD]
        self._record(
            Decision(
                kind="documents_erased",
                subject=erased.collection,
                outcome="done",
                detail={
                    "documents": str(len(erased.sources)),
                    "passages": str(erased.passages),
                    "vectors": str(erased.vectors),
                    "words": str(erased.words),
                    **{f"source {number}": each for number, each in enumerate(told, 1)},
                },
            )
        )

    async def _sources(self, wanted: str, collection: str) -> list[str]:
        known = await self._records.documents(collection)
        folder = Path(wanted)
        found = [
            each.source
            for each in known
            if wanted in (each.id, each.source) or folder in Path(each.source).parents
        ]
        if not found:
            raise NotFound(
                f"Nothing in '{collection}' is, or lies below, '{wanted[:200]}'.",
                hint=f"`basket documents list --collection {collection}` shows what there is.",
            )
        return found
