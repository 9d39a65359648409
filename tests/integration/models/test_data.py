"""Data sets in both databases: versions that never change, lineage, erasure."""

import json
from pathlib import Path

import pytest
from sqlalchemy import update

from secondbasket.core.data_class import DataClass
from secondbasket.core.data_set import DataVersion
from secondbasket.core.decision import Decision
from secondbasket.errors import Conflict, DigestMismatch, InvalidRequest, NotFound
from secondbasket.models.data.desk import DataDesk
from secondbasket.models.data.findings import Findings
from secondbasket.models.data.readers import Columns
from secondbasket.models.data.records import DataRecords
from secondbasket.policy.policy import load_detectors
from secondbasket.stores.database import Database
from secondbasket.stores.schema import data_rows
from tests.notes import notes

pytestmark = pytest.mark.anyio

INTERNAL = DataClass.INTERNAL


@pytest.fixture
def decisions() -> list[Decision]:
    return []


@pytest.fixture
def desk(database: Database, decisions: list[Decision]) -> DataDesk:
    detectors = [(each, each.data_class) for each in load_detectors().values()]
    findings = Findings(detectors, b"a" * 32)
    return DataDesk(DataRecords(database), findings, record=decisions.append)


async def _import(desk: DataDesk, folder: Path, name: str, *questions: str) -> DataVersion:
    file = folder / f"{name}.jsonl"
    file.write_text(
        "".join(
            json.dumps(
                {
                    "messages": [
                        {"role": "user", "content": each},
                        {"role": "assistant", "content": "done"},
                    ]
                }
            )
            + "\n"
            for each in questions
        )
    )
    return await desk.take(file, name, Columns(), INTERNAL)


async def test_a_version_is_its_rows(desk: DataDesk, tmp_path: Path, database: Database) -> None:
    first = await _import(desk, tmp_path, "mail", "What of the pump?", "And the belt?")
    assert (first.rows, first.data_class, first.findings) == (2, "internal", {})
    assert await _import(desk, tmp_path, "mail", "What of the pump?", "And the belt?") == first
    second = await _import(desk, tmp_path, "mail", "Write to ann@firm.example, please")
    assert (second.data_class, second.findings) == ("confidential", {"email_address": 1})
    assert await desk.find("mail") == second
    assert await desk.find(f"mail@{first.digest[7:15]}") == first
    assert [row.place for row in await desk.rows(f"mail@{first.digest}")] == ["line 1", "line 2"]
    assert [each.digest for each in await desk.versions()] == [first.digest, second.digest]
    for reference in ("mail", f"mail@{first.digest}"):
        await desk.verify(reference)
    with pytest.raises(NotFound):
        await desk.find("post")
    with pytest.raises(InvalidRequest, match="no name for a data set"):
        await _import(desk, tmp_path, "Mail", "?")

    flipped = '{"messages":[{"role":"user","content":"No"},{"role":"assistant","content":"x"}]}'
    await database.write(
        lambda c: c.execute(
            update(data_rows)
            .where(data_rows.c.version == first.digest, data_rows.c.position == 1)
            .values(content=flipped)
        )
    )
    with pytest.raises(DigestMismatch, match=r"Row 2 of mail \(line 2\)"):
        await desk.verify(f"mail@{first.digest}")


async def test_what_something_was_made_of_stays(desk: DataDesk, tmp_path: Path) -> None:
    await _import(desk, tmp_path, "mail", "What of the pump?")
    await desk.used("mail", "adapter", "qc-1")
    with pytest.raises(Conflict, match="adapter:qc-1"):
        await desk.remove("mail")
    await _import(desk, tmp_path, "post", "What of the belt?")
    await desk.remove("post")
    with pytest.raises(NotFound):
        await desk.rows("post")


async def test_erasing_a_subject_finds_all_that_was_made_of_it(
    desk: DataDesk, tmp_path: Path, decisions: list[Decision]
) -> None:
    whole = await desk.add("qc", notes(40), made_by="import", data_class=INTERNAL)
    questions = ("Ann Lee asks: what of the pump?", "What of the belt? ann.lee@firm.example")
    mail = await _import(desk, tmp_path, "mail", *questions, "And the gear?")
    redacted, taken = await desk.redact("mail")
    assert taken == {"email_address": 1}
    assert (redacted.parent, redacted.findings) == (mail.digest, {})
    train, held = await desk.split("qc", share=0.25, seed=1, group=None, time=None)
    assert (train.rows, held.rows, train.parent) == (30, 10, whole.digest)
    await desk.used("mail", "adapter", "mail-1")
    await desk.used("qc-train", "adapter", "qc-1")

    receipt = await desk.erase(subject="ann.LEE@firm.example", source=None)
    # The redacted row holds no address any more: it is known by where it came from.
    assert receipt.rows == 1
    assert set(receipt.versions) == {f"mail@{mail.digest}", f"mail@{redacted.digest}"}
    assert receipt.retrain == ["adapter:mail-1"]
    assert any("backups" in each for each in receipt.unreached)
    assert "ann" not in repr(receipt) + repr(decisions)
    assert decisions[-1].detail["receipt"] == receipt.id
    left = await desk.rows("mail")
    assert [row.place for row in left] == ["line 1", "line 3"]
    with pytest.raises(NotFound, match=receipt.id):
        await desk.rows(f"mail@{mail.digest}")
    with pytest.raises(InvalidRequest, match=receipt.id):
        await _import(desk, tmp_path, "mail", *questions, "And the gear?")
    with pytest.raises(NotFound, match="No data set has a row of it"):
        await desk.erase(subject="ann.lee@firm.example", source=None)

    source = (await desk.rows("qc"))[0].source
    everything = await desk.erase(subject=None, source=source)
    assert everything.rows == 40
    assert len(everything.versions) == 3
    assert everything.made == []
    assert everything.retrain == ["adapter:qc-1"]


async def test_a_retrained_model_has_a_lineage_without_it(desk: DataDesk, tmp_path: Path) -> None:
    await _import(desk, tmp_path, "mail", "Ann Lee asks of the pump", "And the gear?")
    await desk.used("mail", "adapter", "mail-1")
    receipt = await desk.erase(subject="Ann Lee", source=None)
    [made] = receipt.made
    new = await desk.find("mail")
    assert made == f"mail@{new.digest}"
    await desk.used("mail", "adapter", "mail-2")
    again = await desk.erase(subject="and the gear", source=None)
    assert again.retrain == ["adapter:mail-2"]
