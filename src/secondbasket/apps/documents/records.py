"""Documents and their passages in the database, with the index of their words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Subquery,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from secondbasket.core.clock import now
from secondbasket.core.data_class import DataClass
from secondbasket.core.document import Collection, Document, Erased, Passage
from secondbasket.core.ids import new_id
from secondbasket.errors import Conflict, NotFound
from secondbasket.stores.database import Database
from secondbasket.stores.schema import collections, documents, passage_numbers, passages

_BATCH = 500
_MANY = 10_000  # passages that have a word, from which on it is no longer asked for

_add_words = text(
    "INSERT INTO passages_words (rowid, heading, text) VALUES (:number, :heading, :text)"
)
# An index over another table's text has to be told what it is to forget.
_forget_words = text(
    "INSERT INTO passages_words (passages_words, rowid, heading, text)"
    " VALUES ('delete', :number, :heading, :text)"
)
# Else what was forgotten stands in the index's own pages until they are merged.
_merge_words = text("INSERT INTO passages_words (passages_words) VALUES ('optimize')")
_how_many = text(
    "SELECT count(*) FROM"
    " (SELECT 1 FROM passages_words WHERE passages_words MATCH :words LIMIT :most)"
)
# The index knows no collections; where all are asked it need not look into the table.
_worded_anywhere = text(
    "SELECT rowid, -rank FROM passages_words WHERE passages_words MATCH :words"
    " ORDER BY rank LIMIT :count"
)
# With the plus the words come first: else they are looked up anew for each row of a collection.
_worded_within = text(
    "SELECT rowid, -rank FROM passages_words WHERE passages_words MATCH :words"
    " AND +rowid IN (SELECT number FROM passages WHERE collection IN :within)"
    " ORDER BY rank LIMIT :count"
).bindparams(bindparam("within", expanding=True))


class NewContent:
    """What a file was found to hold: `vectors` has one for each passage, or is empty."""

    def __init__(self, *, kind: str, passages: Sequence[Passage], vectors: Sequence[bytes]) -> None:
        self.kind = kind
        self.passages = passages
        self.vectors = vectors


class DocumentRecords:
    """One set of tables on both databases. Everything raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, data_class: DataClass, embedding: str) -> Collection:
        """Make the collection where it is not there; it as it then is."""
        row = {
            "name": name,
            "data_class": data_class.label,
            "embedding": embedding,
            "revision": 0,
            "created_at": now(),
        }
        statement = self._database.insert(collections).values(row).on_conflict_do_nothing()
        await self._database.write(lambda c: c.execute(statement))
        return await self.collection(name)

    async def collection(self, name: str) -> Collection:
        """Raises NotFound."""
        for each in await self.collections():
            if each.name == name:
                return each
        raise NotFound(
            f"There is no collection '{name[:64]}'.", hint="`basket documents list` shows them."
        )

    async def collections(self, *, counted: bool = False) -> list[Collection]:
        """All, by name; what they hold is only counted where that is asked for."""
        query = select(
            collections.c.name,
            collections.c.data_class,
            collections.c.embedding,
            collections.c.created_at,
        ).order_by(collections.c.name)
        if counted:
            files = _counted(documents.c.collection)
            pieces = _counted(passages.c.collection)
            query = (
                query.add_columns(
                    func.coalesce(files.c.amount, 0).label("documents"),
                    func.coalesce(pieces.c.amount, 0).label("passages"),
                )
                .outerjoin(files, files.c.collection == collections.c.name)
                .outerjoin(pieces, pieces.c.collection == collections.c.name)
            )
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [Collection(**row) for row in rows]

    async def documents(self, collection: str | None = None) -> list[Document]:
        """All, or those of a collection, by source."""
        query = _documents().order_by(documents.c.source, documents.c.collection)
        if collection is not None:
            query = query.where(documents.c.collection == collection)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_document(row) for row in rows]

    async def find(self, named: str, collection: str | None = None) -> Document:
        """The document with the id or source `named`, the first where several collections have
        it. Raises NotFound."""
        query = (
            _documents()
            .where((documents.c.id == named) | (documents.c.source == named))
            .order_by(documents.c.collection)
        )
        if collection is not None:
            query = query.where(documents.c.collection == collection)
        row = await self._database.read(lambda c: c.execute(query).mappings().first())
        if row is None:
            raise NotFound(
                f"There is no document '{named[:200]}'.", hint="`basket documents list` shows them."
            )
        return _document(row)

    async def has_content(self, collection: str, sha256: str) -> str | None:
        """The kind of the content with this digest, None where the collection has none."""
        query = select(documents.c.kind).where(
            documents.c.collection == collection, documents.c.sha256 == sha256
        )
        return await self._database.read(lambda c: c.scalars(query.limit(1)).first())

    async def put(
        self, collection: str, source: str, *, sha256: str, size: int, content: NewContent | None
    ) -> None:
        """Have the document at `source` be this one, in place of what it was.

        `content` is None where the collection has it already; where that went meanwhile, Conflict
        is raised.
        """

        def work(connection: Connection) -> None:
            _touch(connection, collection)
            at_source = (documents.c.collection == collection) & (documents.c.source == source)
            before = connection.scalar(select(documents.c.sha256).where(at_source))
            known = (documents.c.collection == collection) & (documents.c.sha256 == sha256)
            kind = connection.scalars(select(documents.c.kind).where(known).limit(1)).first()
            if kind is None:
                if content is None:
                    raise Conflict(f"What {source} holds was removed just now.", hint="Try again.")
                kind = content.kind
                self._insert(connection, collection, sha256, content)
            row = {"sha256": sha256, "kind": kind, "size": size, "added_at": now()}
            if before is None:
                new = {"id": new_id("doc"), "collection": collection, "source": source}
                connection.execute(insert(documents), new | row)
            else:
                connection.execute(update(documents).where(at_source).values(row))
            if before is not None and before != sha256:
                self._drop_content(connection, collection, {before})

        await self._database.write(work)

    async def remove(self, collection: str, sources: Sequence[str], *, whole: bool) -> Erased:
        """Erase the documents at `sources`, and what no other document shares with them; with
        `whole`, everything and the collection itself."""

        def work(connection: Connection) -> Erased:
            if self._database.is_sqlite:
                # What is deleted is overwritten, not only marked as free.
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
            _touch(connection, collection)
            gone: list[str] = []
            contents: set[str] = set()
            names = sorted(sources)
            batches = [names[at : at + _BATCH] for at in range(0, len(names), _BATCH)]
            for some in [None] if whole else batches:
                which = documents.c.collection == collection
                if some is not None:
                    which &= documents.c.source.in_(some)
                rows = connection.execute(
                    select(documents.c.source, documents.c.sha256).where(which)
                ).all()
                gone += [row[0] for row in rows]
                contents |= {row[1] for row in rows}
                connection.execute(delete(documents).where(which))
            pieces, vectors, words = self._drop_content(connection, collection, contents)
            if words and self._database.is_sqlite:
                connection.execute(_merge_words)
            if whole:
                connection.execute(delete(collections).where(collections.c.name == collection))
            return Erased(
                collection=collection,
                sources=tuple(sorted(gone)),
                passages=pieces,
                vectors=vectors,
                words=words,
            )

        erased = await self._database.write(work)
        await self._database.scrub()
        return erased

    def _insert(
        self, connection: Connection, collection: str, sha256: str, content: NewContent
    ) -> None:
        count = len(content.passages)
        # Held until the commit: who reads on from a number then misses none that comes later.
        last = connection.scalar(
            update(passage_numbers)
            .values(last=passage_numbers.c.last + count)
            .returning(passage_numbers.c.last)
        )
        assert last is not None
        vectors: Sequence[bytes | None] = content.vectors or [None] * count
        rows = [
            {
                "number": last - count + 1 + position,
                "collection": collection,
                "sha256": sha256,
                "position": position,
                "place": each.place,
                "heading": each.heading,
                "text": each.text,
                "vector": vector,
            }
            for position, (each, vector) in enumerate(zip(content.passages, vectors, strict=True))
        ]
        for at in range(0, count, _BATCH):
            batch = rows[at : at + _BATCH]
            connection.execute(insert(passages), batch)
            if self._database.is_sqlite:
                connection.execute(_add_words, [_worded(row) for row in batch])
        if not self._database.is_sqlite:
            connection.execute(
                update(passages)
                .where(passages.c.collection == collection, passages.c.sha256 == sha256)
                .values(
                    words=func.to_tsvector("english", passages.c.heading + " " + passages.c.text)
                )
            )

    def _drop_content(
        self, connection: Connection, collection: str, contents: set[str]
    ) -> tuple[int, int, int]:
        """Delete what no document has any more: how many passages, vectors, words' entries."""
        pieces = vectors = words = 0
        for sha256 in sorted(contents):
            held = select(documents.c.id).where(
                documents.c.collection == collection, documents.c.sha256 == sha256
            )
            if connection.scalar(held.limit(1)) is not None:
                continue
            which = (passages.c.collection == collection) & (passages.c.sha256 == sha256)
            query = select(
                passages.c.number,
                passages.c.heading,
                passages.c.text,
                passages.c.vector.is_not(None).label("has_vector"),
            )
            rows = connection.execute(query.where(which)).mappings().all()
            if self._database.is_sqlite and rows:
                connection.execute(_forget_words, [_worded(dict(row)) for row in rows])
            connection.execute(delete(passages).where(which))
            pieces += len(rows)
            words += len(rows)
            vectors += sum(row["has_vector"] for row in rows)
        return pieces, vectors, words

    async def revision(self, collection: str) -> int:
        """How often it was changed; -1 where it is not there."""
        query = select(collections.c.revision).where(collections.c.name == collection)
        found = await self._database.read(lambda c: c.scalar(query))
        return -1 if found is None else found

    async def numbers(self, collection: str) -> set[int]:
        """Of its passages that have a vector."""
        query = select(passages.c.number).where(_with_vector(collection))
        return await self._database.read(lambda c: set(c.scalars(query)))

    async def vectors(self, collection: str, *, after: int = 0) -> list[tuple[int, bytes]]:
        """(passage number, float32 bytes) in order, of those with a greater number than `after`."""
        query = (
            select(passages.c.number, passages.c.vector)
            .where(_with_vector(collection), passages.c.number > after)
            .order_by(passages.c.number)
        )
        return await self._database.read(lambda c: [(row[0], row[1]) for row in c.execute(query)])

    async def worded(
        self, words: Sequence[str], within: Sequence[str] | None, count: int
    ) -> list[tuple[int, float]]:
        """(passage number, score) of the `count` best that hold any of `words`, best first;
        `within` names collections, None all."""
        if not words:
            return []
        ask: Callable[[Connection], list[tuple[int, float]]]
        if self._database.is_sqlite:
            ask = _by_fts5(words, within, count)
        else:
            ask = _by_tsvector(words, within, count)
        return await self._database.read(ask)

    async def passages(self, numbers: Sequence[int]) -> dict[int, RowMapping]:
        """Rows of `passages` without vectors, each with `document` and `source` of the first of
        its documents, by number."""
        query = _placed().where(passages.c.number.in_(numbers)).order_by(documents.c.source.desc())
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return {row["number"]: row for row in rows}

    async def extract(self, document: Document, start: int, count: int) -> Sequence[RowMapping]:
        """Rows as `passages` has them, of a document from the position `start` on."""
        query = (
            _placed()
            .where(
                documents.c.id == document.id,
                passages.c.position >= start,
            )
            .order_by(passages.c.position)
            .limit(count)
        )
        return await self._database.read(lambda c: c.execute(query).mappings().all())


def _worded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("number", "heading", "text")}


def _touch(connection: Connection, collection: str) -> None:
    """A change to `collection` begins: others to it wait, so that of two equal files that come at
    once the second one sees what the first has put there."""
    connection.execute(
        update(collections)
        .where(collections.c.name == collection)
        .values(revision=collections.c.revision + 1)
    )


def _counted(column: ColumnElement[str]) -> Subquery:
    return (
        select(column.label("collection"), func.count().label("amount")).group_by(column).subquery()
    )


def _documents() -> Any:
    pieces = (
        select(func.count())
        .select_from(passages)
        .where(
            passages.c.collection == documents.c.collection,
            passages.c.sha256 == documents.c.sha256,
        )
        .scalar_subquery()
    )
    return select(documents, pieces.label("passages"))


def _document(row: RowMapping) -> Document:
    return Document(**row)


def _placed() -> Any:
    return select(
        passages.c.number,
        passages.c.collection,
        passages.c.position,
        passages.c.place,
        passages.c.text,
        documents.c.id.label("document"),
        documents.c.source,
    ).join(
        documents,
        (documents.c.collection == passages.c.collection)
        & (documents.c.sha256 == passages.c.sha256),
    )


def _with_vector(collection: str) -> ColumnElement[bool]:
    return (passages.c.collection == collection) & passages.c.vector.is_not(None)


def _by_fts5(
    words: Sequence[str], within: Sequence[str] | None, count: int
) -> Callable[[Connection], list[tuple[int, float]]]:
    statement = _worded_anywhere if within is None else _worded_within
    more = {"count": count} if within is None else {"count": count, "within": list(within)}

    def ask(connection: Connection) -> list[tuple[int, float]]:
        for wanted in _matches(connection, words):
            rows = connection.execute(statement, {"words": wanted, **more}).all()
            if rows:
                return [(row[0], row[1]) for row in rows]
        return []

    return ask


def _matches(connection: Connection, words: Sequence[str]) -> Iterator[str]:
    """What to ask the index for, until something is found.

    To score a passage takes ten times as long as to find it, and a word that
    thousands have says little of any: such words only count where there are no others.
    """
    quoted = [f'"{word}"' for word in words]
    held = {
        each: connection.scalar(_how_many, {"words": each, "most": _MANY + 1}) or 0
        for each in quoted
    }
    rare = [each for each in quoted if 0 < held[each] <= _MANY]
    if rare:
        yield " OR ".join(rare)
    else:
        frequent = [each for each in quoted if held[each]]
        yield " AND ".join(frequent) or '""'
        yield " OR ".join(frequent) or '""'


def _by_tsvector(
    words: Sequence[str], within: Sequence[str] | None, count: int
) -> Callable[[Connection], list[tuple[int, float]]]:
    any_of = func.to_tsquery("english", " | ".join(f"'{word}'" for word in words))
    # Divided by the logarithm of the length, else the longest passages win.
    score = func.ts_rank(passages.c.words, any_of, 1)
    query = (
        select(passages.c.number, score.label("score"))
        .where(passages.c.words.op("@@")(any_of))
        .order_by(score.desc(), passages.c.number)
        .limit(count)
    )
    if within is not None:
        query = query.where(passages.c.collection.in_(within))
    return lambda c: [(row[0], row[1]) for row in c.execute(query)]
