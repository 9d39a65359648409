"""Work handed over to a shipped worker with the real small model, killed -9 in the middle."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import docx
import pytest

from tests.running import BASKET, Running, basket, environment, running

INVOICE = """<h1>Invoice No. RE-2026-0412</h1><p>Date: 3 March 2026</p>
<p>Solder paste, 12 tubes, 102.87 EUR each</p><p>Total: 1,234.50 EUR</p>"""
COMPLAINT = """Complaint No. C-771
Date: 2026-11-02
Three housings of the last delivery are scratched. =cmd|'/c calc'!A1
"""
EXPECTED = {
    "in/complaint.txt": ("complaint", "C-771", "2026-11-02", "", ""),
    "in/delivery.docx": ("delivery note", "LS-20931", "2026-10-12", "", ""),
    "in/invoice.html": ("invoice", "RE-2026-0412", "2026-03-03", "1234.50", "EUR"),
}


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "invoice.html").write_text(INVOICE)
    (folder / "complaint.txt").write_text(COMPLAINT)
    note = docx.Document()
    for line in ("Delivery note No. LS-20931", "Date: 12.10.2026", "40 bearings 6204, plant 2."):
        note.add_paragraph(line)
    note.save(str(folder / "delivery.docx"))
    (folder / "broken.docx").write_bytes(b"PK\x03\x04 this is none")
    return folder


def run(home: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [BASKET, *arguments],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def until_it_has(server: Running, task: str, steps: int) -> None:
    deadline = time.monotonic() + 120
    while len(server.basket("task", "show", task)["steps"]) < steps:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def register_of(shown: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    [path] = shown["deliverables"]
    with Path(path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["summary"].strip() for row in rows)
    fields = ("kind", "number", "date", "total", "currency")
    return {row["paper"]: tuple(row[name] for name in fields) for row in rows if row["paper"]}


def test_a_clerk_killed_in_the_middle_goes_on_and_does_each_thing_once(
    stocked_home: Path, papers: Path
) -> None:
    with running(stocked_home) as server:
        order = ("add", "Register these papers.", "-w", "document-clerk", "-f", str(papers))
        task = server.basket("task", *order)["id"]
        until_it_has(server, task, 4)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    before = basket(stocked_home, "task", "show", task, "--json")
    assert before["state"] == "working"
    status, _, told = run(stocked_home, "task", "wait", task)
    assert status == 1
    assert "No server runs" in told
    with running(stocked_home) as server:
        status, output, told = run(stocked_home, "task", "wait", task, "--timeout", "240", "--json")
        assert status == 0, told
        shown = server.basket("task", "show", task)
        assert json.loads(output)["state"] == shown["state"] == "done"
        # What was done before the kill was not done again, and nothing twice.
        positions = [step["position"] for step in shown["steps"]]
        assert positions == list(range(len(positions)))
        assert shown["steps"][: len(before["steps"])] == before["steps"]
        effects = shown["effects"]
        assert len({each["key"] for each in effects}) == len(effects)
        assert {each["state"] for each in effects} <= {"done", "failed"}
        assert [each["state"] for each in effects if each["tool"] == "files.write"] == ["done"]
        # Code found the fields, in papers that nobody has seen before; the model wrote a sentence.
        assert register_of(shown) == EXPECTED
        assert shown["cost"] > 0
        report = server.basket("report", "morning")
        assert [line["task"]["id"] for line in report["done"]] == [task]
        assert report["cost"] == shown["cost"]
        asked = [s["entry"] for s in shown["steps"] if s["entry"]["type"] == "turned"]
        receipts = [server.basket("receipt", each["request_id"]) for each in asked]
        assert sum(each["cost"] for each in receipts) == shown["cost"]


def test_a_worker_file_is_checked_and_the_one_switch_holds(stocked_home: Path) -> None:
    with running(stocked_home) as server:
        file = stocked_home / "workers" / "idle.md"
        file.write_text("---\nname: idle\nrole: idler\ntools: [files.burn]\n---\nDo nothing.\n")
        status, told, _ = run(stocked_home, "worker", "check", str(file))
        assert status == 1
        assert "files.burn" in told
        assert server.basket("task", "switch", "pause") == {"off": True}
        task = server.basket("task", "add", "Register.", "-w", "document-clerk")["id"]
        time.sleep(2.5)
        assert server.basket("task", "show", task)["state"] == "queued"
        assert server.basket("task", "switch", "start") == {"off": False}
        ended = run(stocked_home, "task", "wait", task, "--timeout", "60", "--json")
        assert json.loads(ended[1])["state"] == "failed"  # nothing was handed over to register
