"""Memory, as workers and people use it: told, recalled, read, corrected, forgotten, erased."""

import logging
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, TypeVar

import anyio
import msgspec
from sqlalchemy import Connection, Row, RowMapping, insert, select, text, update

from secondbasket.apps.memory import vectors
from secondbasket.apps.memory.admission import objection
from secondbasket.apps.memory.cascade import Cascade, Cascades, Removal
from secondbasket.apps.memory.correcting import corrected
from secondbasket.apps.memory.hygiene import measure
from secondbasket.apps.memory.meanings import Meanings
from secondbasket.apps.memory.memory import (
    Corrected,
    Hygiene,
    Memory,
    Reason,
    Recalled,
    Receipt,
    Remembered,
)
from secondbasket.apps.memory.placing import Meaning, hold, place
from secondbasket.apps.memory.recall import Question, found_memories, recall, visible
from secondbasket.apps.memory.removal import (
    Removed,
    descendants,
    remove,
    unindex,
    whole_story,
)
from secondbasket.apps.memory.statement import (
    COMPANY,
    MOST_ID,
    MOST_TEXT,
    Correction,
    Kind,
    Statement,
    checked,
    class_of,
    is_person,
    meaning_of,
    moment_of,
    source_of,
)
from secondbasket.apps.memory.tellings import MEMORY
from secondbasket.apps.memory.timeline import settle
from secondbasket.apps.memory.words import normal
from secondbasket.core.clock import now
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.errors import BasketError, Conflict, InvalidRequest, NotFound
from secondbasket.policy.classification import Classification
from secondbasket.stores.database import Database
from secondbasket.stores.schema import memories, memory_bases, memory_keys, memory_tellings
from secondbasket.stores.schema import memory_vectors as vector_table

T = TypeVar("T")
Classify = Callable[[str, DataClass], Awaitable[Classification]]
"""The class of a text, at least the one given, and what detectors found in it."""

_log = logging.getLogger(__name__)

_VECTORS_AT_ONCE = 32
_EVERY_SECONDS = 300.0
_MOST_LISTED = 1_000
# Writers of all processes stand in one queue: two at once could both find nothing to contradict.
_LOCK = text("SELECT pg_advisory_xact_lock(7305437201)")


class Memories:
    """`classify` is policy's; what it finds to be above `most_class` is not kept.

    Without an `embedder` memories are compared and found by their words alone.
    Every method raises StoreError where the database fails.
    """

    def __init__(
        self,
        database: Database,
        *,
        classify: Classify,
        record: Callable[[Decision], None],
        embedder: vectors.Embedder | None = None,
        most_class: DataClass = DataClass.CONFIDENTIAL,
    ) -> None:
        self._database = database
        self._classify = classify
        self._record = record
        self._meanings = Meanings(embedder)
        self._most_class = most_class
        self._cascades = Cascades(database, record=record)

    def on_removal(self, name: str, cascade: Cascade) -> None:
        """Have `cascade` remove its part of whatever is erased, forgotten or corrected."""
        self._cascades.add(name, cascade)

    async def remember(
        self, told: Statement, *, prompt: str = "", key: str | None = None, at: str | None = None
    ) -> Remembered:
        """Keep what `told` says, where it is worth it.

        `prompt` is what the worker was asked for. Told twice under one `key`, it
        is kept once, also where it was erased between. `at` is the moment of
        telling, now where it is not given. Raises InvalidRequest, and NotFound
        for a memory that it says it was derived from.
        """
        told, at = checked(told), at or now()
        if key is not None and not 0 < len(key) <= MOST_ID:
            raise InvalidRequest(f"A key has 1 to {MOST_ID} characters.", param="key")
        if key is not None:
            done = await self.kept_under(key)
            if done is not None:
                return done
        why = objection(told, prompt)
        if why is None:
            told, why = await self._classified(told)
        if why is None:
            why = await self._meanings.courtesy(told)
        if why is not None:
            return Remembered(outcome="refused", why=why)
        meaning = await self._meanings.of(told.meaning, class_of(told.data_class))
        return await self._write(partial(_remember, told, meaning, key, at))

    async def kept_under(self, key: str) -> Remembered | None:
        """What came of the telling under `key`; None where there was none, or it was refused."""
        return await self._database.read(partial(_under_key, key))

    async def recall(
        self,
        query: str,
        *,
        worker: str | None = COMPANY,
        most_class: DataClass = DataClass.INTERNAL,
        at: str | None = None,
        kinds: Collection[Kind] = (),
        limit: int = 8,
        count: bool = True,
    ) -> list[Recalled]:
        """What answers `query` for `worker` at a moment, best first; with `count` it was used then.

        A worker is told its own and the company's; None is told everybody's.
        Raises InvalidRequest for a query without words.
        """
        if not normal(query) or len(query) > MOST_TEXT:
            raise InvalidRequest(
                f"A query has words, and at most {MOST_TEXT} characters.", param="query"
            )
        moment = now()
        question = Question(
            text=query,
            at=moment_of("at", at) or moment,
            worker=worker,
            most_class=most_class,
            kinds=kinds,
            limit=limit,
        )
        meaning = await self._meanings.of(query, most_class)
        found = await self._database.read(lambda c: recall(c, question, meaning))
        if found and count:
            ids = [each.memory.id for each in found]
            used = (
                update(memories)
                .where(memories.c.id.in_(ids))
                .values(uses=memories.c.uses + 1, last_used=question.at)
            )
            await self._database.write(lambda c: c.execute(used))
        return found

    async def listing(
        self,
        *,
        worker: str | None = None,
        kinds: Collection[Kind] = (),
        source: str | None = None,
        history: bool = False,
        limit: int = 100,
    ) -> list[Memory]:
        """Memories, newest first: those present, with `history` all; of one source, if given."""
        at = now()
        where = []
        if not history:
            question = Question(
                text="", at=at, worker=worker, most_class=DataClass.SECRET, kinds=kinds
            )
            where += visible(question)
        if worker is not None:
            where.append(memories.c.worker == worker)
        if kinds:
            where.append(memories.c.kind.in_(list(kinds)))
        if source is not None:
            told = (
                select(memory_tellings.c.memory_id)
                .join(memory_bases, memory_bases.c.telling_id == memory_tellings.c.id)
                .where(memory_bases.c.basis == source_of(source))
            )
            where.append(memories.c.id.in_(told))
        query = (
            select(memories.c.id)
            .where(*where)
            .order_by(memories.c.created_at.desc(), memories.c.id.desc())
            .limit(min(limit, _MOST_LISTED))
        )

        def fetch(connection: Connection) -> list[Memory]:
            found = found_memories(connection, connection.scalars(query).all(), at)
            return found if history else [each for each in found if each.state == "present"]

        return await self._database.read(fetch)

    async def show(self, memory_id: str) -> list[Memory]:
        """The memory, then the others of its story in time: earlier, later and corrected ones.

        Raises NotFound.
        """

        def fetch(connection: Connection) -> list[Memory]:
            ids = whole_story(connection, memory_id)
            found = found_memories(connection, sorted(ids), now())
            return sorted(found, key=lambda each: (each.id != memory_id, each.valid_from, each.id))

        return await self._database.read(fetch)

    async def correct(self, memory_id: str, correction: Correction) -> Corrected:
        """Put what is right in the place of a memory, which then never was so.

        What was derived from it loses its ground. Raises NotFound, Conflict for
        one that was corrected before, InvalidRequest where nothing changes or
        what is right cannot be kept.
        """
        row = await self._database.read(partial(_row, memory_id))
        if row["corrected_by"] is not None:
            raise Conflict(
                f"'{memory_id}' was corrected already.", hint=f"See {row['corrected_by']}."
            )
        told = checked(corrected(row, correction))
        if not is_person(told.sources[0]):
            raise InvalidRequest("Only a person corrects: write person:NAME.", param="by")
        if normal(told.sentence) == normal(row["text"]):
            raise InvalidRequest("That is what it says.", hint="Say what is right instead.")
        told, why = await self._classified(told)
        why = why or objection(told)
        if why is not None:
            raise InvalidRequest(f"This cannot be remembered: {why}.")
        meaning = await self._meanings.of(told.meaning, class_of(told.data_class))
        at = now()
        new_id, removal, receipt = await self._write(
            partial(self._correct, memory_id, told, meaning, at)
        )
        receipt = await self._cascades.finish(removal, receipt)
        return Corrected((await self.show(new_id))[0], receipt)

    def _correct(
        self,
        memory_id: str,
        told: Statement,
        meaning: Meaning | None,
        at: str,
        connection: Connection,
    ) -> tuple[str, Removal, Receipt]:
        row = _row(memory_id, connection)
        if row["corrected_by"] is not None:
            raise Conflict(f"'{memory_id}' was corrected just now.", hint="Look at it again.")
        this = memories.c.id == memory_id
        # Out of the way first, so that the right one does not run into it.
        connection.execute(update(memories).where(this).values(corrected_by=memory_id))
        places = unindex(connection, memory_id)
        new_id = place(connection, told, meaning, at).id
        assert new_id is not None, "a person's word is never contested"
        connection.execute(update(memories).where(this).values(corrected_by=new_id))
        settle(connection, row["worker"], row["line"])
        derived = descendants(connection, memory_id)
        removed = Removed(
            direct={memory_id}, derived=derived, places={"corrected memories": 1, **places}
        )
        removal = Removal(
            reason="corrected", target=f"{MEMORY}{memory_id}", at=at, memories=removed.ids
        )
        return new_id, removal, self._cascades.begin(connection, removal, removed)

    async def forget(self, memory_id: str) -> Receipt:
        """Take a memory away with its whole history and all that was derived. Raises NotFound."""

        def take(connection: Connection) -> Removed:
            return remove(connection, ids=whole_story(connection, memory_id))

        return await self._remove("forgotten", f"{MEMORY}{memory_id}", take)

    async def erase(self, source: str) -> Receipt:
        """Take away everything that rests on a source, here and with all who listen.

        What another source told as well stays, in that one's words. Erasing a
        source that told nothing gives a receipt that says so. Raises InvalidRequest.
        """
        source = source_of(source)

        def take(connection: Connection) -> Removed:
            return remove(connection, sources=[source])

        return await self._remove("erased", source, take)

    async def _remove(
        self,
        reason: Reason,
        target: str,
        take: Callable[[Connection], Removed],
    ) -> Receipt:
        removal = Removal(reason=reason, target=target, at=now(), memories=())

        def work(connection: Connection) -> tuple[Removal, Receipt]:
            removed = take(connection)
            told = msgspec.structs.replace(removal, memories=removed.ids)
            return told, self._cascades.begin(connection, told, removed)

        removal, receipt = await self._write(work)
        await self._database.scrub()
        receipt = await self._cascades.finish(removal, receipt)
        await self.catch_up()
        return receipt

    async def resume(self) -> list[Receipt]:
        """Finish the removals that an earlier process left open; call it once all listen."""
        return await self._cascades.resume()

    async def receipts(self, *, limit: int = 100) -> list[Receipt]:
        """Of removals, newest first. What was removed cannot be told from them any more."""
        return await self._cascades.receipts(limit=min(limit, _MOST_LISTED))

    async def hygiene(self) -> Hygiene:
        at = now()
        return await self._database.read(lambda c: measure(c, at))

    async def run(self) -> None:
        """Finish what an earlier process left open, then keep vectors complete until cancelled."""
        open_orders = True
        while True:
            try:
                if open_orders:
                    await self.resume()
                    open_orders = False
                await self.catch_up()
            except BasketError as exc:
                _log.error("memory could not be tidied: %s", exc)
            await anyio.sleep(_EVERY_SECONDS)

    async def catch_up(self, *, most: int = 1_000) -> int:
        """Give memories a vector that have none of the embedder's model. How many got one."""
        model = self._meanings.model
        if model is None:
            return 0
        known = select(vector_table.c.memory_id).where(vector_table.c.model == model)
        query = (
            select(memories)
            .where(memories.c.corrected_by.is_(None), memories.c.id.not_in(known))
            .order_by(memories.c.id)
            .limit(most)
        )
        waiting = await self._database.read(lambda c: c.execute(query).all())
        caught = 0
        for start in range(0, len(waiting), _VECTORS_AT_ONCE):
            rows = waiting[start : start + _VECTORS_AT_ONCE]
            highest = max(class_of(row.data_class) for row in rows)
            made = await self._meanings.of_all([_meaning_of(row) for row in rows], highest)
            if made is None:
                break
            caught += await self._write(
                partial(
                    _hold_all, dict(zip(((r.id, _meaning_of(r)) for r in rows), made, strict=True))
                )
            )
        return caught

    async def _classified(self, told: Statement) -> tuple[Statement, str | None]:
        """`told` with the class that it has, and why that is too high to be kept."""
        words = f"{told.sentence}\n{told.subject}\n{told.predicate}\n{told.object}"
        found = await self._classify(words, class_of(told.data_class))
        told = msgspec.structs.replace(told, data_class=found.data_class.label)
        if found.data_class <= self._most_class:
            return told, None
        kinds = ", ".join(each.kind for each in found.findings)
        holds = f", it holds: {kinds}" if kinds else ""
        label = found.data_class.label
        return told, f"its class is {label}{holds}; up to {self._most_class.label} is kept"

    async def _write(self, work: Callable[[Connection], T]) -> T:
        def alone(connection: Connection) -> T:
            if self._database.is_sqlite:
                # What is deleted or replaced is overwritten, and does not wait in a free page.
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
            else:
                connection.execute(_LOCK)
            return work(connection)

        return await self._database.write(alone)


def _remember(
    told: Statement, meaning: Meaning | None, key: str | None, at: str, connection: Connection
) -> Remembered:
    if key is not None and (done := _under_key(key, connection)) is not None:
        return done
    classes = [class_of(told.data_class)]
    classes += [class_of(_row(each, connection)["data_class"]) for each in told.derived_from]
    told = msgspec.structs.replace(told, data_class=max(classes).label)
    result = place(connection, told, meaning, at)
    if key is not None:
        row = {"key": key, "memory_id": result.id, "outcome": result.outcome, "at": at}
        connection.execute(insert(memory_keys), row)
    return result


def _under_key(key: str, connection: Connection) -> Remembered | None:
    found = connection.execute(select(memory_keys).where(memory_keys.c.key == key)).first()
    if found is None:
        return None
    if found.outcome == "erased":
        return Remembered(outcome="erased", why="it was kept once, and taken away since")
    return Remembered(outcome=found.outcome, id=found.memory_id)


def _row(memory_id: str, connection: Connection) -> RowMapping:
    row = connection.execute(select(memories).where(memories.c.id == memory_id)).mappings().first()
    if row is None:
        raise NotFound(
            f"There is no memory '{memory_id[:64]}'.", hint="`basket memory list` lists them."
        )
    return row


def _meaning_of(row: Row[Any]) -> str:
    return meaning_of(row.text, row.subject, row.predicate, row.object)


def _hold_all(made: dict[tuple[str, str], Meaning], connection: Connection) -> int:
    """Only where the text is still what the vector was made of."""
    held = 0
    for (memory_id, words), meaning in made.items():
        row = connection.execute(select(memories).where(memories.c.id == memory_id)).first()
        if row is not None and _meaning_of(row) == words and meaning.vector:
            connection.execute(vector_table.delete().where(vector_table.c.memory_id == memory_id))
            hold(connection, memory_id, meaning)
            held += 1
    return held
