"""Moves the journal into the database, each entry exactly once.

A batch of lines, the sums they change and the position they reach are one
transaction. The entries' own ids make it idempotent, so a segment that is read
again from its start (after a restored backup, or a crash before its deletion)
changes nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import anyio
import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.exc import DataError

from secondbasket.core.clock import parse, timestamp
from secondbasket.core.decision import Decision
from secondbasket.core.receipt import Receipt
from secondbasket.errors import BasketError, InvalidRequest, StoreError
from secondbasket.ledger.chain import Chain
from secondbasket.ledger.egress_hours import EgressHours
from secondbasket.ledger.journal import Entry, Journal, decode
from secondbasket.ledger.seals import seal
from secondbasket.stores.database import Database
from secondbasket.stores.schema import journal_positions, receipts, rollups

_log = logging.getLogger(__name__)

_LONGEST_WAIT_SECONDS = 30.0
_STEP_BYTES = 32 * 1024
_PAUSE_SECONDS = 0.002
_SEGMENTS_BEHIND = 2
_MOMENT_LENGTH = len("2026-11-22T14:05:09.250Z")
_ABOUT = ("hour", "key_id", "basket", "upstream", "currency")
_SUMS = ("calls", "input_tokens", "output_tokens", "cached_input_tokens", "cost")
# What is not a field of the receipt as it stands: JSON, then the entry of the chain.
_MADE = ("hops", "passed_over", "seal")
_columns: Callable[[Receipt], tuple[Any, ...]] = attrgetter(
    *(column.name for column in receipts.c if column.name not in _MADE)
)
_NUL = rb"\u0000"
# How PostgreSQL and the two drivers say of a value that no column holds it, and `parse` of a
# moment that is none.
_UNSTORABLE = (DataError, OverflowError, ValueError)


# Which receipts and which decisions are there already, as plain SQL: SQLAlchemy spells out a
# parameter for each id anew, which took a quarter of a fold.
_SQLITE = (
    "SELECT request_id FROM receipts WHERE request_id IN (SELECT value FROM json_each(?))",
    "SELECT id FROM decisions WHERE id IN (SELECT value FROM json_each(?))",
)
_POSTGRESQL = (
    "SELECT request_id FROM receipts WHERE request_id = ANY(%s)",
    "SELECT id FROM decisions WHERE id = ANY(%s)",
)
_POSITIONS = select(journal_positions)


class Fold:
    """One journal's way into one database."""

    def __init__(
        self, journal: Journal, database: Database, *, batch_bytes: int = 128 * 1024
    ) -> None:
        self._journal = journal
        self._database = database
        self._batch_bytes = batch_bytes
        self._chain = Chain(database)
        self._egress_hours = EgressHours(database)
        self._known_receipts, self._known_decisions = _SQLITE if database.is_sqlite else _POSTGRESQL
        self._insert_receipts = database.insert_text(receipts)
        add = database.insert(rollups)
        self._add_sums = database.text(
            add.on_conflict_do_update(
                index_elements=_ABOUT,
                set_={name: rollups.c[name] + add.excluded[name] for name in _SUMS},
            )
        )
        move = database.insert(journal_positions)
        self._set_position = database.text(
            move.on_conflict_do_update(
                index_elements=("segment",), set_={"position": move.excluded.position}
            )
        )
        self._lock = anyio.Lock()
        self._folded: tuple[Path, int] | None = None

    async def fold(self) -> None:
        """Whatever was appended before this call is in the database when it returns.

        Raises StoreError; the journal then keeps what is not yet there.
        """
        # Not what is appended meanwhile: under load there would always be some more.
        end = self._journal.end
        while not await self._step(end, self._batch_bytes):
            pass

    async def run(self, interval_seconds: float = 0.25) -> None:
        """Fold again and again until cancelled; a failing database is asked ever more rarely.

        In small steps with pauses between: a step holds the interpreter for about as long as
        one answer takes, and calls under way must not feel more than that.
        """
        wait = interval_seconds
        while True:
            await anyio.sleep(wait)
            try:
                end = self._journal.end
                while not await self._step(end, self._gentle_bytes()):  # noqa: ASYNC110 - a pace
                    await anyio.sleep(_PAUSE_SECONDS)
                wait = interval_seconds
            except BasketError as exc:
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
                _log.error("the journal waits, %.1f s until the next attempt: %s", wait, exc)

    def _gentle_bytes(self) -> int:
        """Small steps, unless they cannot keep up."""
        behind = len(self._journal.segments) > _SEGMENTS_BEHIND
        return self._batch_bytes if behind else min(_STEP_BYTES, self._batch_bytes)

    async def _step(self, end: tuple[Path, int], size: int) -> bool:
        """Fold about `size` bytes towards `end`; True once it is reached."""
        async with self._lock:
            if end == self._folded:
                return True
            fold_batch = partial(self._fold_batch, end, size)
            try:
                try:
                    reached = await self._database.write(fold_batch)
                except (InvalidRequest, ValueError):
                    # One entry must not block all others: the batch goes in without it.
                    reached = await self._database.write(partial(fold_batch, one_by_one=True))
            except OSError as exc:
                raise StoreError(
                    f"The ledger's journal cannot be read: {exc.strerror}.",
                    hint="Make room on the disk of the home, or mend its permissions.",
                ) from exc
            if reached:
                self._folded = end
            return reached

    def _fold_batch(
        self, end: tuple[Path, int], size: int, connection: Connection, *, one_by_one: bool = False
    ) -> bool:
        """Fold some lines of the oldest segment that has any; True once `end` is reached."""
        segments = self._journal.segments
        positions = {row.segment: row.position for row in connection.execute(_POSITIONS)}
        for segment in segments:
            start = positions.get(segment.name, 0)
            lines = self._lines(segment, start, size)
            if lines:
                self._apply(connection, segment, start, lines, one_by_one)
                reached = start + len(lines)
                self._move(connection, segment, reached)
                return segment == end[0] and reached >= end[1]
            if segment != segments[-1]:
                # An earlier batch has committed all of it. Should this one fail, a position
                # without a segment stays behind, which nobody asks for.
                self._journal.remove(segment)
                connection.execute(
                    delete(journal_positions).where(journal_positions.c.segment == segment.name)
                )
        return True

    def _lines(self, segment: Path, start: int, size: int) -> bytes:
        """Whole lines from `start` on, about `size` bytes; b'' where there are none."""
        with segment.open("rb") as file:
            file.seek(start)
            content = file.read(size) + file.readline()
        return content[: content.rfind(b"\n") + 1]

    def _apply(
        self, connection: Connection, segment: Path, start: int, lines: bytes, one_by_one: bool
    ) -> None:
        entries: list[Entry] = []
        position = start
        for line in lines.splitlines(keepends=True):
            try:
                entry = decode(line[:-1])
                if _NUL in line:
                    entry = _storable(entry)
            except ValueError as exc:
                entry = _set_aside(segment, position, line, str(exc))
            if one_by_one:
                try:
                    with connection.begin_nested():
                        self._store(connection, [entry])
                except _UNSTORABLE as exc:
                    reason = f"the database cannot hold it: {type(exc).__name__}"
                    self._store(connection, [_set_aside(segment, position, line, reason)])
            else:
                entries.append(entry)
            position += len(line)
        self._store(connection, entries)

    def _store(self, connection: Connection, entries: Iterable[Entry]) -> None:
        happened: dict[str, Receipt] = {}
        decided: dict[str, Decision] = {}
        for entry in entries:
            if isinstance(entry, Receipt):
                happened.setdefault(entry.request_id, entry)
            else:
                decided.setdefault(entry.id, entry)
        if not happened and not decided:
            return
        # The chain's end comes first: whoever holds it is alone, so no two nodes can deadlock.
        tail = self._chain.tail(connection)
        new = [decided[id_] for id_ in _fresh(connection, self._known_decisions, decided)]
        fresh = _fresh(connection, self._known_receipts, happened)
        if fresh:
            stored = [_normal(happened[request_id]) for request_id in fresh]
            place = tail.sequence + len(new) + 1
            rows = [_receipt_row(each, place) for each in stored]
            connection.exec_driver_sql(self._insert_receipts, rows)
            self._add_up(connection, stored)
            new.append(seal(rows))
        if new:
            tail.append(new)
            self._egress_hours.add(connection, new)

    def _add_up(self, connection: Connection, stored: Iterable[Receipt]) -> None:
        sums: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * len(_SUMS))
        for each in stored:
            hour = each.created_at[:13]
            # The call counts for who answered, tokens and money for each who had a part.
            sums[hour, each.key_id, each.basket, each.upstream, each.currency][0] += 1
            for part in each.hops or (each,):
                total = sums[hour, each.key_id, each.basket, part.upstream, each.currency]
                total[1] += part.input_tokens
                total[2] += part.output_tokens
                total[3] += part.cached_input_tokens
                total[4] += part.cost
        rows = [(*about, *total) for about, total in sums.items()]
        connection.exec_driver_sql(self._add_sums, rows)

    def _move(self, connection: Connection, segment: Path, position: int) -> None:
        connection.exec_driver_sql(self._set_position, (segment.name, position))


def _fresh(connection: Connection, known: str, ids: Iterable[str]) -> list[str]:
    """Those of `ids` that the table does not hold yet, in their order."""
    wanted = list(ids)
    if not wanted:
        return []
    given = msgspec.json.encode(wanted).decode() if known in _SQLITE else wanted
    found = set(connection.exec_driver_sql(known, (given,)).scalars())
    return [id_ for id_ in wanted if id_ not in found]


def _normal(receipt: Receipt) -> Receipt:
    """With its moment as `core.clock` writes it; our own come so already."""
    moment = receipt.created_at
    if len(moment) == _MOMENT_LENGTH and moment.endswith("Z"):
        return receipt
    return msgspec.structs.replace(receipt, created_at=timestamp(parse(moment)))


def _receipt_row(receipt: Receipt, place: int) -> tuple[Any, ...]:
    hops = msgspec.json.encode(receipt.hops).decode() if receipt.hops else None
    passed_over = msgspec.json.encode(receipt.passed_over).decode() if receipt.passed_over else None
    return (*_columns(receipt), hops, passed_over, place)


def _storable(entry: Entry) -> Entry:
    """PostgreSQL's text holds no NUL, and an entry is worth more than its NULs."""
    texts = {
        name: value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        for name, value in msgspec.structs.asdict(entry).items()
        if isinstance(value, str)
    }
    return msgspec.structs.replace(entry, **texts)


def _set_aside(segment: Path, position: int, line: bytes, reason: str) -> Decision:
    """A damaged line may be a lost receipt: the ledger itself says so, and its bytes are kept."""
    aside = segment.with_suffix(f".{position}.damaged")
    aside.write_bytes(line)
    _log.error("journal line set aside as %s: %s", aside.name, reason)
    return Decision(
        id=f"dec_{aside.stem}",
        kind="journal_damaged",
        subject=aside.name,
        outcome="set_aside",
        detail={"reason": reason, "bytes": str(len(line))},
    )
