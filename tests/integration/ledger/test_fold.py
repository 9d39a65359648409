import logging
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from sqlalchemy import delete, text

from secondbasket.core.decision import Decision
from secondbasket.errors import StoreError
from secondbasket.ledger.fold import Fold
from secondbasket.ledger.journal import Journal, encode
from secondbasket.ledger.ledger import Ledger
from secondbasket.stores.database import Database
from secondbasket.stores.schema import journal_positions
from tests.databases import receipt
from tests.integration.ledger.books import request_ids, sums_equal_rows

pytestmark = pytest.mark.anyio


def files_of(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_segments_go_once_their_rows_are_committed(
    database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder, segment_bytes=2_000)
    fold = Fold(journal, database, batch_bytes=3_000)
    entries = [receipt() for _ in range(50)]
    for entry in entries[:30]:
        journal.append(entry)
    await fold.fold()
    assert len(journal.segments) == 1
    for entry in entries[30:]:
        journal.append(entry)
    await fold.fold()
    assert files_of(folder) == [journal.segments[-1]]
    assert await request_ids(database) == Counter(entry.request_id for entry in entries)
    assert await sums_equal_rows(database)
    journal.close()


async def test_a_receipt_handed_in_twice_is_one_row_and_counted_once(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    once = receipt(cost=700)
    for _ in range(3):
        ledger.record(once)
        ledger.record(once)
        await ledger.fold()
    [row] = await ledger.usage()
    assert (row.calls, row.cost) == (1, 700)
    assert await ledger.rows() == [once]
    await ledger.close()


async def test_a_journal_read_again_from_its_start_changes_nothing(
    database: Database, tmp_path: Path
) -> None:
    """As after restoring a backup whose journal is older than its database."""
    journal = Journal(tmp_path)
    for _ in range(40):
        journal.append(receipt())
        journal.append(Decision(kind="egress", subject="a:443", outcome="refused"))
    await Fold(journal, database).fold()
    await database.write(lambda c: c.execute(delete(journal_positions)))
    again = Ledger(journal, database)
    assert [row.calls for row in await again.usage()] == [40]
    assert len(await again.decisions()) == 40
    assert await sums_equal_rows(database)
    await again.close()


async def test_damage_in_the_middle_is_reported_by_the_ledger_itself(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path)
    entries = [receipt() for _ in range(5)]
    for entry in entries:
        journal.append(entry)
    journal.close()
    segment = journal.segments[-1]
    lines = segment.read_bytes().splitlines(keepends=True)
    damaged = lines[2].replace(b'"cost":5000', b'"cost":9999')
    segment.write_bytes(b"".join([*lines[:2], damaged, *lines[3:]]))

    ledger = Ledger(Journal(tmp_path), database)
    kept = {entry.request_id for entry in entries if entry is not entries[2]}
    assert {row.request_id for row in await ledger.rows()} == kept
    [decision] = await ledger.decisions(kind="journal_damaged")
    assert decision.outcome == "set_aside"
    assert (tmp_path / decision.subject).read_bytes() == damaged
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    await ledger.close()


@pytest.mark.parametrize(
    "poison",
    [
        {"output_tokens": 2**63},
        {"cost": -(2**63) - 1},
        {"input_tokens": 10**30},
        {"created_at": "no moment"},
    ],
)
async def test_an_entry_that_the_database_cannot_hold_blocks_no_other(
    database: Database, tmp_path: Path, poison: dict[str, Any]
) -> None:
    good = [receipt() for _ in range(4)]
    bad = receipt(**poison)
    lines = [encode(entry) for entry in (*good[:2], bad, *good[2:])]
    (tmp_path / "journal_0.jsonl").write_bytes(b"".join(lines))

    ledger = Ledger(Journal(tmp_path), database)
    assert {row.request_id for row in await ledger.rows()} == {one.request_id for one in good}
    [decision] = await ledger.decisions(kind="journal_damaged")
    assert decision.outcome == "set_aside"
    assert (tmp_path / decision.subject).read_bytes() == lines[2]
    assert [row.calls for row in await ledger.usage()] == [4]
    assert await sums_equal_rows(database)
    await ledger.close()


async def test_a_journal_that_cannot_be_read_is_an_error_of_the_store(
    database: Database, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    journal.append(receipt())
    segment = journal.segments[-1]
    segment.rename(tmp_path / "away")
    with pytest.raises(StoreError, match="journal cannot be read: No such file"):
        await Fold(journal, database).fold()
    (tmp_path / "away").rename(segment)
    await Fold(journal, database).fold()
    assert len(await request_ids(database)) == 1
    journal.close()


async def test_while_the_database_fails_the_journal_keeps_everything(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(Journal(tmp_path, segment_bytes=2_000), database)
    await database.write(lambda c: c.execute(text("ALTER TABLE rollups RENAME TO away")))
    entries = [receipt() for _ in range(20)]
    for entry in entries:
        ledger.record(entry)
    with pytest.raises(StoreError):
        await ledger.usage()
    assert await request_ids(database) == Counter()
    await database.write(lambda c: c.execute(text("ALTER TABLE away RENAME TO rollups")))
    assert [row.calls for row in await ledger.usage()] == [20]
    assert await sums_equal_rows(database)
    await ledger.close()


async def test_folding_in_the_background_outlives_a_failing_database(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path)
    fold = Fold(journal, database)
    failed = anyio.Event()

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            failed.set()

    logger = logging.getLogger("secondbasket.ledger.fold")
    watch = Watch()
    logger.addHandler(watch)
    try:
        async with anyio.create_task_group() as tasks:
            await database.write(lambda c: c.execute(text("ALTER TABLE rollups RENAME TO away")))
            journal.append(receipt())
            tasks.start_soon(fold.run, 0.01)
            with anyio.fail_after(5):
                await failed.wait()
            await database.write(lambda c: c.execute(text("ALTER TABLE away RENAME TO rollups")))
            with anyio.fail_after(5):
                while not await request_ids(database):
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    finally:
        logger.removeHandler(watch)
        journal.close()
    assert await sums_equal_rows(database)


async def test_reads_at_the_same_time_see_what_was_recorded_before_them(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(Journal(tmp_path), database)

    async def record_and_read() -> None:
        for _ in range(5):
            mine = receipt()
            ledger.record(mine)
            assert await ledger.receipt(mine.request_id) == mine

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(record_and_read)
    assert [row.calls for row in await ledger.usage()] == [40]
    await ledger.close()


async def test_a_read_does_not_wait_for_what_is_recorded_after_it(
    database: Database, tmp_path: Path
) -> None:
    """Entries that keep coming, faster than batches this small can follow."""
    journal = Journal(tmp_path)
    fold = Fold(journal, database, batch_bytes=1)
    before = [receipt() for _ in range(5)]
    for entry in before:
        journal.append(entry)

    async def keep_recording() -> None:
        while True:
            for _ in range(10):
                journal.append(receipt())
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_recording)
        with anyio.fail_after(5):
            await fold.fold()
        tasks.cancel_scope.cancel()
    assert {entry.request_id for entry in before} <= set(await request_ids(database))
    await Fold(journal, database).fold()
    assert await sums_equal_rows(database)
    journal.close()
