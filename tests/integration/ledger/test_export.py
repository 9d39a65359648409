"""The ledger as a file: the same to an auditor as the database, with our program and without it."""

import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, update

from secondbasket.errors import StoreError
from secondbasket.ledger.audit import audit
from secondbasket.ledger.export import ExportRecord, write_export
from secondbasket.ledger.record import DatabaseRecord
from secondbasket.stores.database import Database
from secondbasket.stores.schema import decisions, receipts
from tests.conftest import ROOT
from tests.databases import receipt
from tests.integration.ledger.audited import House, build, rechain
from tools.documents import blocks

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    house = await build(database, tmp_path)
    # What canonical JSON could trip over.
    for duration in (12.0, 1e-7, 5e20, 0.1, 123456.789):
        house.ledger.record(receipt(duration_ms=duration, error="é'\"\\\x01\U0001f600\u2028"))
    await house.record("e")
    house.heads.append(await house.head())
    yield house
    await house.ledger.close()


async def export(house: House, target: Path) -> Path:
    def write(connection: Connection) -> None:
        write_export(DatabaseRecord(connection), target, version="0.1.0")

    await house.database.snapshot(write)
    return target


async def test_an_export_is_to_an_audit_what_the_database_is(house: House, tmp_path: Path) -> None:
    file = await export(house, tmp_path / "ledger.jsonl")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    here = await house.audit()
    there = audit(ExportRecord(file), heads=house.heads, keys=house.keys)
    assert there.problems == here.problems == ()
    assert (there.ledger, there.entries, there.hash) == (here.ledger, here.entries, here.hash)
    assert (there.receipts, there.heads, there.covered) == (15, here.heads, here.entries)
    assert there.keys == here.keys


async def test_the_export_of_a_damaged_ledger_shows_the_damage(
    house: House, tmp_path: Path
) -> None:
    await house.suffer(update(decisions).where(decisions.c.sequence == 4).values(outcome="x"))
    await house.suffer(delete(decisions).where(decisions.c.sequence == 8))
    await house.suffer(delete(receipts).where(receipts.c.request_id == "req_a_1"))
    await house.suffer(update(receipts).where(receipts.c.request_id == "req_b_1").values(seal=None))
    file = await export(house, tmp_path / "ledger.jsonl")
    here = await house.audit(heads=[])
    there = audit(ExportRecord(file), keys=house.keys)
    assert [(each.kind, each.entry) for each in there.problems] == [
        (each.kind, each.entry) for each in here.problems if each.kind != "sums_changed"
    ]
    assert {each.kind for each in there.problems} == {
        "edited",
        "missing",
        "receipts_removed",
        "receipts_added",
    }


def verify_without_us(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script that docs/ledger.md gives to auditors, in a folder that has its files."""
    [script] = [b.text for b in blocks(ROOT / "docs/ledger.md") if b.language == "python"]
    assert "secondbasket" not in script
    return subprocess.run(
        [sys.executable, "-I", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_documented_script_verifies_an_export_without_our_program(
    house: House, tmp_path: Path
) -> None:
    folder = tmp_path / "auditor"
    folder.mkdir()
    (folder / "head.json").write_bytes(house.heads[-1].text)
    (folder / "ledger.pem").write_text(house.keys[-1].pem)
    file = await export(house, folder / "ledger.jsonl")
    done = verify_without_us(folder)
    assert done.returncode == 0, done.stderr
    sound = file.read_bytes()
    size = (await house.audit()).entries
    assert done.stdout == f"sound up to entry {size}\n"

    for before, after, told in (
        (b'"outcome":"counted"', b'"outcome":"refused"', "was changed"),
        (b'"cost":5000', b'"cost":4000', "entry"),
        (b'"sequence":6', b'"sequence":9', "does not follow"),
    ):
        assert before in sound
        file.write_bytes(sound.replace(before, after, 1))
        done = verify_without_us(folder)
        assert done.returncode == 1
        assert told in done.stderr

    def forge(connection: Connection) -> None:
        change = update(decisions).where(decisions.c.sequence == 4)
        connection.execute(change.values(outcome="x"))
        rechain(connection)

    await house.suffer(forge)
    await export(house, file)
    done = verify_without_us(folder)
    assert done.returncode == 1
    assert "not the ledger that was signed" in done.stderr


async def test_a_file_that_is_no_whole_export_is_refused(house: House, tmp_path: Path) -> None:
    file = await export(house, tmp_path / "ledger.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    for content in (
        b"",
        b"{}\n",
        b"".join(lines[:-1]),
        b"".join(lines)[:-20],
        b"".join([*lines[:3], *lines[4:]]),
        b"".join([*lines, lines[-1]]),
        b"".join(lines).replace(b'"entry":{', b'"entry":[', 1),
        b"".join(lines).replace(b'"kind":', b'"kink":', 1),
        b"".join(lines).replace(b'"request_id":', b'"request":', 1),
        lines[0] + b'{"entry":' + b"[" * 100_000,
    ):
        file.write_bytes(content)
        with pytest.raises(StoreError, match="not a whole export"):
            audit(ExportRecord(file))
    file.write_bytes(b"".join(lines).replace(b'"form":"1"', b'"form":"2"', 1))
    with pytest.raises(StoreError, match="in a newer form"):
        ExportRecord(file)
    with pytest.raises(StoreError, match="cannot be read"):
        ExportRecord(tmp_path / "missing.jsonl")


async def test_an_export_that_cannot_be_written_leaves_nothing(
    house: House, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="could not be written"):
        await export(house, tmp_path / "missing" / "ledger.jsonl")
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(StoreError):
        await export(house, target)
    assert not (tmp_path / ".taken.draft").exists()
