"""kill -9 at any moment: each receipt that was acknowledged is in the books exactly once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.stores.database import Database
from tests.integration.ledger.books import request_ids, sums_equal_rows

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]

# Records, and tells each request id only after its record returned; folds all the while.
_RECORD_UNTIL_KILLED = """
import os, sys
from pathlib import Path
import anyio
from secondbasket.ledger.fold import Fold
from secondbasket.ledger.journal import Journal
from secondbasket.stores.database import Database
from tests.databases import receipt

async def main():
    journal = Journal(Path(sys.argv[1]), segment_bytes=20_000)
    fold = Fold(journal, Database(sys.argv[2]), batch_bytes=4_000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fold.run, 0.001)
        while True:
            for _ in range(20):
                entry = receipt()
                journal.append(entry)
                os.write(1, entry.request_id.encode() + b"\\n")
            await anyio.sleep(0.001)

anyio.run(main)
"""


def record_until_killed(journal: Path, url: str, seconds: float) -> list[str]:
    """The request ids a child told of before it was killed, so many seconds after its first."""
    child = subprocess.Popen(
        [sys.executable, "-c", _RECORD_UNTIL_KILLED, str(journal), url],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    told = child.stdout.readline()
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    told += child.stdout.read()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return told[: told.rfind(b"\n")].decode().split("\n")


async def test_each_acknowledged_receipt_is_there_exactly_once_after_kill_9(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    acknowledged: set[str] = set()
    for seconds in (0.02, 0.11, 0.23):
        acknowledged.update(record_until_killed(tmp_path / "journal", database_url, seconds))

    ledger = Ledger(Journal(tmp_path / "journal"), database)
    await ledger.fold()
    rows = await request_ids(database)
    assert len(acknowledged) > 60
    assert acknowledged <= set(rows)
    # At most the one being told when each kill came is there without having been heard of.
    assert len(rows) - len(acknowledged) <= 3
    assert set(rows.values()) == {1}
    assert await sums_equal_rows(database)
    await ledger.close()
