import fcntl
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from secondbasket.core.decision import Decision
from secondbasket.errors import StoreError
from secondbasket.ledger.journal import Entry, Journal, decode, encode
from tests.databases import receipt


def entries(folder: Path) -> list[Entry]:
    """Every entry of a journal folder, each line whole and with the right CRC."""
    content = b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl")))
    assert content.endswith(b"\n") or not content
    return [decode(line) for line in content.splitlines()]


def test_what_was_appended_is_there_after_opening_again(tmp_path: Path) -> None:
    written: list[Entry] = [
        receipt(),
        Decision(kind="egress", subject="a:443", outcome="allowed", detail={"why": "«ok»\n"}),
        receipt(first_token_ms=None, error="upstream_broken"),
    ]
    journal = Journal(tmp_path)
    for entry in written:
        journal.append(entry)
    assert journal.end[1] == sum(len(encode(entry)) for entry in written)
    journal.close()
    Journal(tmp_path).close()
    assert entries(tmp_path) == written


def test_a_line_with_any_byte_changed_is_never_taken_for_another() -> None:
    line = encode(receipt())[:-1]
    for index in range(len(line)):
        for bit in (0x01, 0x20, 0x80):
            changed = line[:index] + bytes([line[index] ^ bit]) + line[index + 1 :]
            with pytest.raises(ValueError, match="CRC"):
                decode(changed)


def test_a_last_line_torn_at_any_byte_is_cut_off_and_kept_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, lost = receipt(), receipt()
    line = encode(lost)
    for cut in range(1, len(line)):
        folder = tmp_path / str(cut)
        journal = Journal(folder)
        journal.append(kept)
        journal.close()
        segment = journal.segments[-1]
        with segment.open("ab") as file:
            file.write(line[:cut])
        caplog.clear()
        Journal(folder).close()
        assert entries(folder) == [kept]
        assert segment.with_suffix(".torn").read_bytes() == line[:cut]
        assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_segments_are_begun_anew_when_full(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=2_000)
    written: list[Entry] = [receipt() for _ in range(20)]
    for entry in written:
        journal.append(entry)
    journal.close()
    sizes = [path.stat().st_size for path in journal.segments]
    assert len(sizes) > 3
    assert max(sizes) < 2_000 + len(encode(receipt())) + 10
    assert sorted(entries(tmp_path), key=_id) == sorted(written, key=_id)


def _id(entry: Entry) -> str:
    return entry.id if isinstance(entry, Decision) else entry.request_id


def test_threads_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=50_000)

    def append() -> None:
        for _ in range(200):
            journal.append(receipt())

    threads = [threading.Thread(target=append) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert len({_id(entry) for entry in entries(tmp_path)}) == 1_600


def test_fsync_makes_each_write_wait_for_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path, fsync=True)
    assert journal._file is not None
    assert fcntl.fcntl(journal._file, fcntl.F_GETFL) & os.O_DSYNC
    journal.append(receipt())
    journal.close()
    assert len(entries(tmp_path)) == 1


def test_a_receipt_without_a_time_zone_is_refused_before_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for moment in ("2026-11-22T10:00:00", "yesterday", ""):
        with pytest.raises(ValueError, match=r"time zone|isoformat"):
            journal.append(receipt(created_at=moment))
    journal.close()
    assert entries(tmp_path) == []


def test_an_entry_after_the_end_goes_into_nobody_elses_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.close()
    with (tmp_path / "other").open("wb") as other:  # gets the lowest free descriptor
        with pytest.raises(StoreError, match="closed"):
            journal.append(receipt())
        journal.close()
        other.write(b"mine")
    assert (tmp_path / "other").read_bytes() == b"mine"
    assert entries(tmp_path / "journal") == []


def test_a_folder_that_cannot_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="journal cannot be written: Not a directory"):
        Journal(tmp_path / "file" / "journal")


_FILL_THE_DISK = """
import sys
from pathlib import Path
from secondbasket.errors import StoreError
from secondbasket.ledger.journal import Journal
from tests.databases import receipt

disk = Path(sys.argv[1])
ballast = [disk / name for name in ("first", "second")]
for file in ballast:
    file.write_bytes(bytes(40_000))
journal = Journal(disk / "journal")
acknowledged = []
for file in ballast:
    refused = 0
    while refused < 3:
        entry = receipt()
        try:
            journal.append(entry)
            acknowledged.append(entry)
        except StoreError as error:
            assert "No space left on device" in str(error), error
            refused += 1
    file.unlink()
journal.close()
Journal(disk / "journal").close()
from tests.unit.ledger.test_journal import entries
assert entries(disk / "journal") == acknowledged
print(len(acknowledged))
"""


def test_a_full_disk_refuses_entries_and_never_damages_one(tmp_path: Path) -> None:
    """On a real file system of 128 KiB: filled, relieved, filled again, opened again."""
    as_root = [] if os.getuid() == 0 else ["--map-root-user"]
    mount_and_run = 'mount -t tmpfs -o size=128k none "$0" && exec "$1" -c "$2" "$0"'
    command = ["sh", "-c", mount_and_run, str(tmp_path), sys.executable, _FILL_THE_DISK]
    child = subprocess.run(
        ["unshare", *as_root, "--mount", *command],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) > 40
