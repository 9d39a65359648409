"""What is folded stands in one chain, whoever folds it and whatever breaks."""

import subprocess
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from sqlalchemy import column, delete, insert, select, table, update

from secondbasket.core import merkle
from secondbasket.core.canonical import canonical
from secondbasket.core.decision import Decision
from secondbasket.errors import StoreError
from secondbasket.ledger.journal import Journal, encode
from secondbasket.ledger.ledger import Ledger
from secondbasket.stores.database import Database
from secondbasket.stores.schema import chain_tail, decisions, receipts
from tests.databases import migrate_to, receipt

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]


async def chain_of(database: Database) -> list[dict[str, Any]]:
    """The entries in their order, once it is seen that each follows from the one before."""
    query = select(decisions).order_by(decisions.c.sequence)
    rows = await database.read(lambda c: c.execute(query).mappings().all())
    entries = [dict(row) for row in rows]
    previous = "0" * 64
    for place, entry in enumerate(entries, 1):
        content = {name: value for name, value in entry.items() if name != "hash"}
        assert content["sequence"] == place
        assert content["previous"] == previous
        previous = sha256(canonical(content)).hexdigest()
        assert entry["hash"] == previous
    tail = await database.read(lambda c: c.execute(select(chain_tail)).one())
    assert (tail.sequence, tail.hash) == (len(entries), previous)
    return entries


async def sealed(database: Database) -> dict[int, list[dict[str, Any]]]:
    """The receipts by their seal, each seal recomputed."""
    rows = await database.read(lambda c: c.execute(select(receipts)).mappings().all())
    by_seal: dict[int, list[dict[str, Any]]] = {}
    for row in sorted(map(dict, rows), key=lambda row: row["request_id"].encode()):
        by_seal.setdefault(row.pop("seal"), []).append(row)
    seals = {entry["sequence"]: entry for entry in await chain_of(database)}
    seals = {place: entry for place, entry in seals.items() if entry["kind"] == "receipts_sealed"}
    assert seals.keys() == by_seal.keys()
    for place, entry in seals.items():
        detail = msgspec.json.decode(entry["detail"])
        leaves = [merkle.leaf(canonical(row)) for row in by_seal[place]]
        assert detail == {
            "count": str(len(leaves)),
            "first": by_seal[place][0]["request_id"],
            "last": by_seal[place][-1]["request_id"],
            "form": "1",
            "root": merkle.root(leaves).hex(),
        }
    return by_seal


async def test_decisions_and_receipts_are_chained_in_the_order_of_the_fold(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    for number in range(3):
        ledger.record_decision(Decision(kind="egress", subject=f"{number}:443", outcome="done"))
        ledger.record(receipt(duration_ms=float(number), first_token_ms=None, error="é'\"\\\x01"))
    await ledger.fold()
    ledger.record_decision(Decision(kind="egress", subject="3:443", outcome="done"))
    await ledger.close()
    entries = await chain_of(database)
    assert [entry["kind"] for entry in entries] == [
        "ledger_begun",
        *["egress"] * 3,
        "receipts_sealed",
        "egress",
    ]
    assert [entry["subject"] for entry in entries if entry["kind"] == "egress"] == [
        f"{number}:443" for number in range(4)
    ]
    assert [len(rows) for rows in (await sealed(database)).values()] == [3]
    assert len(await Ledger(Journal(tmp_path), database).decisions()) == 4


async def test_what_is_folded_again_is_not_chained_again(
    database: Database, tmp_path: Path
) -> None:
    entry, decision = receipt(), Decision(kind="egress", subject="a:443", outcome="done")
    for attempt in range(3):
        ledger = Ledger(Journal(tmp_path / str(attempt)), database)
        ledger.record(entry)
        ledger.record_decision(decision)
        await ledger.close()
    kinds = [entry["kind"] for entry in await chain_of(database)]
    assert kinds == ["ledger_begun", "egress", "receipts_sealed"]


async def test_an_entry_that_cannot_be_stored_leaves_no_gap(
    database: Database, tmp_path: Path
) -> None:
    good = [receipt() for _ in range(3)]
    lines = [encode(each) for each in (good[0], receipt(cost=2**63), *good[1:])]
    (tmp_path / "journal_0.jsonl").write_bytes(b"".join(lines))
    ledger = Ledger(Journal(tmp_path), database)
    await ledger.close()
    kinds = [entry["kind"] for entry in await chain_of(database)]
    assert sorted(kinds) == ["journal_damaged", "ledger_begun", *["receipts_sealed"] * 3]
    assert sum(map(len, (await sealed(database)).values())) == 3


async def test_a_lost_tail_is_found_again_from_the_entries(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    ledger.record(receipt())
    await ledger.fold()
    await database.write(lambda c: c.execute(delete(chain_tail)))
    ledger.record(receipt())
    await ledger.close()
    assert len(await chain_of(database)) == 3


async def test_removing_the_last_entry_leaves_a_gap_that_stays(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(Journal(tmp_path), database)
    ledger.record_decision(Decision(kind="egress", subject="a:443", outcome="refused"))
    await ledger.fold()
    await database.write(lambda c: c.execute(delete(decisions).where(decisions.c.sequence == 2)))
    ledger.record_decision(Decision(kind="egress", subject="b:443", outcome="refused"))
    await ledger.close()
    found = await database.read(
        lambda c: c.scalars(select(decisions.c.sequence).order_by(decisions.c.sequence)).all()
    )
    assert found == [1, 3]


async def test_nodes_of_one_database_write_one_chain(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """Four nodes at once, each with a journal of its own, in small batches."""
    others = [Database(database_url) for _ in range(3)]
    nodes = [
        Ledger(Journal(tmp_path / str(number)), each)
        for number, each in enumerate((database, *others))
    ]

    async def work(node: Ledger) -> None:
        for _ in range(25):
            node.record(receipt(key_id="key_1"))
            node.record(receipt(key_id="key_2"))
            node.record_decision(Decision(kind="egress", subject="a:443", outcome="allowed"))
            await node.fold()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for node in nodes:
                tasks.start_soon(work, node)
    entries = await chain_of(database)
    assert sum(entry["kind"] == "egress" for entry in entries) == 100
    assert sum(map(len, (await sealed(database)).values())) == 200
    for node in nodes:
        await node.close()
    for each in others:
        each.close()


_FOLD = """
import sys
from pathlib import Path
import anyio
from secondbasket.core.decision import Decision
from secondbasket.errors import StoreError
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.stores.database import Database
from tests.databases import migrate_to, receipt

async def main():
    ledger = Ledger(Journal(Path(sys.argv[1])), Database(sys.argv[2]))
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(40):
        ledger.record_decision(Decision(kind="egress", subject="a:443", outcome="allowed"))
        ledger.record(receipt())
        await ledger.fold()
    await ledger.close()

anyio.run(main)
"""


def fold_in_processes(count: int, folder: Path, url: str) -> None:
    nodes = [
        subprocess.Popen(
            [sys.executable, "-c", _FOLD, str(folder / str(number)), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(ROOT)},
        )
        for number in range(count)
    ]
    for node in nodes:
        assert node.stdout is not None
        assert node.stdout.readline() == "ready\n"
    for node in nodes:
        assert node.stdin is not None
        node.stdin.write("go\n")
        node.stdin.flush()
    for node in nodes:
        node.communicate(timeout=60)
        assert node.returncode == 0


async def test_processes_that_begin_together_begin_one_chain(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await anyio.to_thread.run_sync(fold_in_processes, 3, tmp_path, database_url)
    entries = await chain_of(database)
    assert len(entries) == 1 + 2 * 3 * 40
    assert len(await sealed(database)) == 120


async def test_an_entry_out_of_place_is_refused_by_the_database_itself(
    database: Database, tmp_path: Path
) -> None:
    """Were two nodes ever to write one place of the chain, the second could not."""
    ledger = Ledger(Journal(tmp_path), database)
    ledger.record(receipt())
    await ledger.fold()
    back = update(chain_tail).values(sequence=1)
    await database.write(lambda c: c.execute(back))
    ledger.record(receipt())
    with pytest.raises(StoreError):
        await ledger.fold()
    await database.write(lambda c: c.execute(update(chain_tail).values(sequence=2)))
    await ledger.close()
    assert len(await chain_of(database)) == 3


@pytest.mark.parametrize("revision", ["0001", "0002"])
async def test_an_upgrade_chains_what_is_there(
    database_url: str, tmp_path: Path, revision: str
) -> None:
    database = Database(database_url)
    await database.write(partial(migrate_to, revision))
    receipts_ = [
        receipt(request_id=f"req_{number:05}", created_at=f"2026-11-2{number % 9}T10:00:00.000Z")
        for number in range(2_100)
    ]
    newer = ("hops", "passed_over", "seal")
    columns = [each.name for each in receipts.c if each.name not in newer]
    if revision == "0001":
        columns.remove("data_class")
    old = table("receipts", *map(column, columns))
    rows = [{name: getattr(each, name) for name in columns} for each in receipts_]
    await database.write(lambda c: c.execute(insert(old), rows))
    decided = [
        Decision(kind="egress", subject=f"{number}:443", outcome="done", detail={"é": "\0"})
        for number in range(1_005)
    ]
    old = table("decisions", *map(column, Decision.__struct_fields__))
    rows = [msgspec.to_builtins(each) for each in decided]
    for row in rows:
        row["detail"] = msgspec.json.encode(row["detail"]).decode()
    await database.write(lambda c: c.execute(insert(old), rows))

    await database.migrate()
    entries = await chain_of(database)
    assert entries[0]["kind"] == "ledger_begun"
    assert msgspec.json.decode(entries[0]["detail"]) == {"decisions": "1005", "receipts": "2100"}
    assert {entry["id"] for entry in entries[1:1006]} == {each.id for each in decided}
    assert [len(rows) for rows in (await sealed(database)).values()] == [1000, 1000, 100]

    ledger = Ledger(Journal(tmp_path), database)
    ledger.record(receipt())
    await ledger.close()
    assert len(await chain_of(database)) == len(entries) + 1
    assert await Ledger(Journal(tmp_path), database).receipt("req_00007") == receipts_[7]
    database.close()


async def test_an_upgrade_of_an_empty_ledger_leaves_the_beginning_to_the_first_fold(
    database_url: str, tmp_path: Path
) -> None:
    database = Database(database_url)
    await database.write(partial(migrate_to, "0002"))
    await database.migrate()
    ledger = Ledger(Journal(tmp_path), database)
    ledger.record(receipt())
    await ledger.close()
    assert [entry["kind"] for entry in await chain_of(database)] == [
        "ledger_begun",
        "receipts_sealed",
    ]
    database.close()
