"""Append, crash, fold and reopen in any order: the books stay right."""

import asyncio
import contextlib
import shutil
import tempfile
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, delete

from secondbasket.core.receipt import Receipt
from secondbasket.ledger.fold import Fold
from secondbasket.ledger.journal import Journal, encode
from secondbasket.stores.database import Database
from secondbasket.stores.schema import journal_positions, metadata
from tests.databases import receipt
from tests.integration.ledger.books import request_ids, sums_equal_rows


class _Killed(BaseException):
    """The process ends here."""


class Books(RuleBasedStateMachine):
    url: str

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.database = Database(self.url)
        self.runner.run(self.database.migrate())
        self.runner.run(self.database.write(_empty))
        self.folder = Path(tempfile.mkdtemp(prefix="sb-journal-"))
        self.acknowledged: list[Receipt] = []
        self.open()

    def open(self) -> None:
        self.journal = Journal(self.folder, segment_bytes=1_500)
        self.fold = Fold(self.journal, self.database, batch_bytes=1_000)

    @rule(
        count=st.integers(1, 6),
        key_id=st.sampled_from(["key_1", "key_2"]),
        hour=st.integers(10, 12),
        cost=st.integers(0, 10**12),
    )
    def append(self, count: int, key_id: str, hour: int, cost: int) -> None:
        for _ in range(count):
            moment = f"2026-11-22T{hour}:59:59.999Z"
            entry = receipt(key_id=key_id, created_at=moment, cost=cost)
            self.journal.append(entry)
            self.acknowledged.append(entry)

    @rule(which=st.integers(0))
    def append_again(self, which: int) -> None:
        if self.acknowledged:
            self.journal.append(self.acknowledged[which % len(self.acknowledged)])

    @rule()
    def fold_all(self) -> None:
        self.runner.run(self.fold.fold())
        rows = self.runner.run(request_ids(self.database))
        assert rows == dict.fromkeys((each.request_id for each in self.acknowledged), 1)

    @rule(torn=st.integers(0, 700))
    def crash_while_appending(self, torn: int) -> None:
        """The kill came within the write of an entry nobody was told of."""
        line = encode(receipt())
        self.journal.close()
        with self.journal.segments[-1].open("ab") as file:
            file.write(line[: min(torn, len(line) - 1)])
        self.open()

    @rule(steps=st.integers(1, 4))
    def crash_while_folding(self, steps: int) -> None:
        """The kill came after some batches, before the commit of the next."""

        def die(connection: Connection) -> None:
            self.fold._fold_batch(self.journal.end, 1_000, connection)
            raise _Killed

        async def some_batches_then_die() -> None:
            for _ in range(steps - 1):
                await self.database.write(partial(self.fold._fold_batch, self.journal.end, 1_000))
            await self.database.write(die)

        with contextlib.suppress(_Killed):
            self.runner.run(some_batches_then_die())
        self.journal.close()
        self.open()

    @rule()
    def lose_the_positions(self) -> None:
        """As when the database was restored from a backup older than the journal."""
        forget = delete(journal_positions)
        self.runner.run(self.database.write(lambda connection: connection.execute(forget)))
        self.journal.close()
        self.open()

    @invariant()
    def sums_are_the_sums_of_the_rows(self) -> None:
        if hasattr(self, "journal"):
            assert self.runner.run(sums_equal_rows(self.database))

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.fold_all()
            self.journal.close()
            self.database.close()
            self.runner.close()
            shutil.rmtree(self.folder)


def _empty(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        connection.execute(delete(table))


def test_books_stay_right_whatever_happens_in_whatever_order(database_url: str) -> None:
    machine = type("BooksHere", (Books,), {"url": database_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
