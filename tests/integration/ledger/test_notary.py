"""Signed heads: made where the chain has grown, kept where they should be, whatever breaks."""

import json
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import select

from secondbasket.errors import Conflict, StoreError
from secondbasket.ledger.head import KIND
from secondbasket.ledger.head_check import Document
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.notary import Notary
from secondbasket.ledger.signing import check_document
from secondbasket.ledger.signing_key import SigningKey
from secondbasket.stores.database import Database
from secondbasket.stores.schema import tree_heads
from tests.databases import receipt
from tests.integration.ledger.audited import House

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]


class Books:
    """A ledger in `folder`, opened as a server opens it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        self.database = database
        self.ledger = Ledger(Journal(folder / "journal"), database)

    def notary(self, file: Path | None = None) -> Notary:
        key = SigningKey(self.folder / "signing.pem")
        return Notary(self.ledger, self.database, key, file=file)


@pytest.fixture
async def books(database: Database, tmp_path: Path) -> AsyncIterator[Books]:
    books = Books(database, tmp_path)
    yield books
    await books.ledger.close()


async def kept(books: Books) -> list[Any]:
    query = select(tree_heads.c.document).order_by(tree_heads.c.size)
    found = await books.database.read(lambda c: c.scalars(query).all())
    return [json.loads(document) for document in found]


async def test_a_head_is_made_only_where_something_was_recorded(books: Books) -> None:
    notary = books.notary()
    first = await notary.make()
    assert first["size"] == 2  # the beginning, and the key that signs
    assert await notary.make() == first
    books.ledger.record(receipt())
    second = await notary.make()
    assert second["size"] == 3
    assert second["ledger"] == first["ledger"]
    assert await kept(books) == [first, second]
    third = await books.notary().make()  # another start of the server
    assert {**third, "at": "", "signature": ""} == {**second, "at": "", "signature": ""}
    key = notary.key.signer().public_key
    assert check_document(KIND, second, [key])[0]["hash"] == second["hash"]
    assert len(await notary.keys()) == 1


async def test_each_head_is_appended_to_the_file_elsewhere(books: Books, tmp_path: Path) -> None:
    file = tmp_path / "share" / "heads.jsonl"
    file.parent.mkdir()
    notary = books.notary(file)
    heads = [await notary.make()]
    books.ledger.record(receipt())
    heads.append(await notary.make())
    await notary.make()
    assert [json.loads(line) for line in file.read_text().splitlines()] == heads
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    books.ledger.record(receipt())
    heads.append(await books.notary(file).make())
    assert [json.loads(line) for line in file.read_text().splitlines()] == heads


async def test_a_folder_gets_a_file_of_the_ledgers_name(books: Books, tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    head = await books.notary(folder).make()
    [file] = folder.iterdir()
    assert file.name == f"heads-{head['ledger']}.jsonl"


async def test_a_share_that_is_away_is_told_and_the_next_head_is_there(
    books: Books, tmp_path: Path
) -> None:
    file = tmp_path / "share" / "heads.jsonl"
    notary = books.notary(file)
    head = await notary.make()
    assert "No such file or directory" in notary.file_failure
    assert await kept(books) == [head]
    file.parent.mkdir()
    books.ledger.record(receipt())
    head = await notary.make()
    assert notary.file_failure == ""
    assert [json.loads(line) for line in file.read_text().splitlines()] == [head]


async def test_a_head_is_made_at_once_and_then_again_and_again(books: Books) -> None:
    notary = books.notary()
    made: list[Any] = []
    begun, grown = anyio.Event(), anyio.Event()

    def see(head: Any) -> None:
        made.append(head)
        (begun if len(made) == 1 else grown).set()

    notary.on_head(see)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notary.run, 0.01)
        with anyio.fail_after(10):
            await begun.wait()
            books.ledger.record(receipt())
            await grown.wait()
        tasks.cancel_scope.cancel()
    assert [head["size"] for head in made] == [2, 3]


async def test_a_lost_key_stops_signing_and_says_how_to_go_on(books: Books) -> None:
    notary = books.notary()
    await notary.make()
    notary.key.file.unlink()
    books.ledger.record(receipt())
    notary = books.notary()
    await notary.try_to_make()
    assert "is gone" in notary.failure
    with pytest.raises(StoreError, match="is gone"):
        await notary.rotate()
    with pytest.raises(StoreError, match="is gone"):
        await notary.sign("secondbasket.test", {})
    await notary.rotate(lost=True)
    await notary.try_to_make()
    assert notary.failure == ""
    announced = await notary.keys()
    assert [each.signature is None for each in announced] == [True, True]
    assert announced[1].after == announced[0].key.id
    with pytest.raises(Conflict, match="The signing key is there"):
        await notary.rotate(lost=True)


async def test_a_home_that_was_lost_as_a_whole_gets_a_key_that_nobody_signed_for(
    books: Books, tmp_path: Path
) -> None:
    """The database outlived the home, as PostgreSQL does."""
    first = await books.notary().make()
    anew = Notary(books.ledger, books.database, SigningKey(tmp_path / "anew.pem"))
    second = await anew.make()
    assert second["size"] == first["size"] + 1
    [_, key] = await anew.keys()
    assert (key.after, key.signature) == (first["signature"]["key"], None)


async def test_what_is_signed_is_signed_by_a_key_that_the_ledger_announces(books: Books) -> None:
    notary = books.notary()
    signed = await notary.sign("secondbasket.test", {"a": 1})
    [announced] = await notary.keys()
    assert check_document("secondbasket.test", signed, [announced.key])[0] == {"a": 1}


async def test_rotations_at_once_follow_each_other(books: Books) -> None:
    notary = books.notary()
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(notary.rotate)
            tasks.start_soon(notary.make)
    announced = await notary.keys()
    assert len(announced) == 5
    for before, after in pairwise(announced):
        assert after.signed_by(before.key)
    assert notary.key.signer().key_id == announced[-1].key.id


# Folds and signs all the while, and tells each head once it is made.
_SIGN_UNTIL_KILLED = """
import json, sys
from pathlib import Path
import anyio
from secondbasket.core.decision import Decision
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.notary import Notary
from secondbasket.ledger.signing_key import SigningKey
from secondbasket.stores.database import Database
from tests.databases import receipt

async def main():
    folder, database = Path(sys.argv[1]), Database(sys.argv[2])
    ledger = Ledger(Journal(folder / "journal"), database)
    notary = Notary(ledger, database, SigningKey(folder / "signing.pem"))
    while True:
        ledger.record(receipt())
        ledger.record_decision(Decision(kind="egress", subject="a:443", outcome="allowed"))
        await ledger.fold()
        print(json.dumps(await notary.make()), flush=True)

anyio.run(main)
"""


def sign_until_killed(folder: Path, url: str, seconds: float) -> list[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", _SIGN_UNTIL_KILLED, str(folder), url],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    told = child.stdout.readline()
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    told += child.stdout.read()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return told[: told.rfind("\n")].split("\n")


async def test_a_kill_between_fold_and_head_leaves_all_told_heads_true(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    heads: list[str] = []
    for seconds in (0.02, 0.11, 0.23):
        heads += await anyio.to_thread.run_sync(sign_until_killed, tmp_path, database_url, seconds)
    books = Books(database, tmp_path)
    notary = books.notary()
    last = await notary.make()
    assert last["size"] > json.loads(heads[-1])["size"]
    documents = [Document("told", head.encode()) for head in heads]
    key = notary.key.signer().public_key
    found = await House(database, books.ledger, notary, documents, [key]).audit()
    assert found.problems == ()
    assert found.covered == found.entries
    assert found.heads >= len(heads) + 1
    assert len(found.keys) == 1
    await books.ledger.close()
