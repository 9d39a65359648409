"""A backup holds what was there when it began, and a restore takes all of it or nothing."""

import hashlib
import io
import os
import shutil
import stat
import tarfile
from pathlib import Path

import anyio
import anyio.lowlevel
import msgspec
import pytest

from secondbasket.core.ids import new_id
from secondbasket.errors import Conflict, NotEnoughDisk, StoreError
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.stores.archive import CONTENTS, Contents, read_archive, write_archive
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home
from tests.databases import receipt


@pytest.fixture
def stocked(tmp_path: Path) -> Home:
    home = new_home(tmp_path / "stocked")
    home.settings_file.write_text("[server]\nport = 8401\n")
    home.secret("pepper")
    home.keep_local_key("sk-basket-1.x")
    content = b"weights"
    home.manifests.mkdir()
    (home.manifests / "tiny.json").write_text("{}")
    (home.workers / "clerk.md").write_text("---\n")
    folder = home.tasks / "task_1" / "in"
    folder.mkdir(parents=True)
    (folder / "an invoice.txt").write_text("1")
    (home.tasks / "task_1" / "link.txt").symlink_to("/etc/passwd")
    (home.models / "blobs").mkdir()
    (home.models / "blobs" / f"sha256-{hashlib.sha256(content).hexdigest()}").write_bytes(content)
    return home


def new_home(root: Path) -> Home:
    home = Home(root)
    home.create()
    return home


async def open_ledger(home: Home) -> Ledger:
    database = Database(f"sqlite:///{home.database_file}")
    await database.migrate()
    return Ledger(Journal(home.journal), database)


def back_up(home: Home, target: Path, *, models: bool = False) -> Contents:
    return write_archive(home, target, version="0.1.0", database=True, models=models)


@pytest.mark.anyio
async def test_a_backup_under_load_has_everything_recorded_before_it_began(
    stocked: Home, tmp_path: Path
) -> None:
    ledger = await open_ledger(stocked)
    for number in range(200):
        ledger.record(receipt(request_id=f"req_{number:06}"))
    recorded = 200
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ledger.run)

        async def go_on() -> None:
            nonlocal recorded
            while True:
                ledger.record(receipt(request_id=f"req_{recorded:06}"))
                recorded += 1
                await anyio.lowlevel.checkpoint()

        tasks.start_soon(go_on)
        for number in range(3):
            before = recorded
            target = tmp_path / f"{number}.tar"
            await anyio.to_thread.run_sync(back_up, stocked, target)
            restored = new_home(tmp_path / f"restored-{number}")
            read_archive(restored, target, force=False)
            copy = await open_ledger(restored)
            rows = await copy.rows(limit=1_000_000)
            numbers = [int(row.request_id.removeprefix("req_")) for row in rows]
            assert len(numbers) == len(set(numbers))
            assert set(range(before)) <= set(numbers)
            [total] = await copy.usage()
            assert (total.calls, total.input_tokens) == (len(rows), 31 * len(rows))
            await copy.close()
        tasks.cancel_scope.cancel()


def test_all_of_a_home_comes_back_for_its_owner_alone(stocked: Home, tmp_path: Path) -> None:
    archive = tmp_path / "home.tar"
    contents = back_up(stocked, archive, models=True)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    restored = new_home(tmp_path / "restored")
    read, aside = read_archive(restored, archive, force=False)
    assert (read, aside) == (contents, None)
    for name, sha256 in contents.files.items():
        path = restored.root / name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.parent.name == "blobs"
    assert restored.secret("pepper") == stocked.secret("pepper")
    assert restored.local_key() == "sk-basket-1.x"
    assert {path.name for path in restored.root.iterdir()} == {
        path.name for path in stocked.root.iterdir()
    }


def test_what_tasks_were_given_and_made_comes_back_and_no_link_is_followed(
    stocked: Home, tmp_path: Path
) -> None:
    contents = back_up(stocked, tmp_path / "home.tar")
    kept = {name for name in contents.files if name.startswith(("tasks/", "workers/"))}
    assert kept == {"tasks/task_1/in/an invoice.txt", "workers/clerk.md"}


def test_weights_are_left_out_unless_asked_for(stocked: Home, tmp_path: Path) -> None:
    contents = back_up(stocked, tmp_path / "home.tar")
    assert "models/manifests/tiny.json" in contents.files
    assert not any("blobs" in name for name in contents.files)


def test_a_home_with_data_is_kept_unless_forced_and_then_kept_aside(
    stocked: Home, tmp_path: Path
) -> None:
    archive = tmp_path / "home.tar"
    back_up(stocked, archive)
    other = new_home(tmp_path / "other")
    other.keep_local_key("sk-basket-2.y")
    other.secret("pepper")
    with pytest.raises(Conflict, match="secrets"):
        read_archive(other, archive, force=False)
    assert other.local_key() == "sk-basket-2.y"
    _, aside = read_archive(other, archive, force=True)
    assert aside is not None
    assert other.local_key() == "sk-basket-1.x"
    assert (aside / "secrets" / "local.key").read_text() == "sk-basket-2.y\n"


def rewrite(archive: Path, change: list[tuple[tarfile.TarInfo, bytes]], *, listed: bool) -> None:
    """Add entries to the archive, in its list of contents too when `listed`."""
    with tarfile.open(archive) as tar:
        entries = [(entry, tar.extractfile(entry)) for entry in tar]
        held = [(entry, b"" if file is None else file.read()) for entry, file in entries]
    contents = msgspec.json.decode(held.pop()[1], type=Contents)
    files = dict(contents.files)
    if listed:
        files |= {entry.name: hashlib.sha256(text).hexdigest() for entry, text in change}
    text = msgspec.json.encode(msgspec.structs.replace(contents, files=files))
    with tarfile.open(archive, "w") as tar:
        for entry, content in [*held, *change, (tarfile.TarInfo(CONTENTS), text)]:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/tmp/outside",
        "secrets/../../outside",
        "secrets/..",
        "journal/sub/x",
        "tasks/task_1/../../x",
        "tasks/task_1/..",
        "tasks/task_1/a/../../../../x",
        "tasks/../x",
        "workers/../x.md",
        "lock",
        "run/admin.sock",
        "models/blobs/sha256-00",
        "models/manifests/../../../x.json",
        "anything",
    ],
)
def test_names_that_lead_out_of_the_home_are_refused(
    stocked: Home, tmp_path: Path, name: str
) -> None:
    archive = tmp_path / "home.tar"
    back_up(stocked, archive)
    rewrite(archive, [(tarfile.TarInfo(name), b"evil")], listed=True)
    refuses(archive, tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_entries_that_are_not_plain_files_are_refused(
    stocked: Home, tmp_path: Path, kind: bytes
) -> None:
    archive = tmp_path / "home.tar"
    back_up(stocked, archive)
    link = tarfile.TarInfo("secrets/link")
    link.type = kind
    link.linkname = "/etc/passwd"
    rewrite(archive, [(link, b"")], listed=True)
    refuses(archive, tmp_path)


def test_an_entry_given_twice_or_not_listed_is_refused(stocked: Home, tmp_path: Path) -> None:
    archive = tmp_path / "home.tar"
    back_up(stocked, archive)
    rewrite(archive, [(tarfile.TarInfo("secrets/local.key"), b"sk-evil")], listed=False)
    refuses(archive, tmp_path)
    back_up(stocked, archive)
    rewrite(archive, [(tarfile.TarInfo("secrets/extra"), b"evil")], listed=False)
    refuses(archive, tmp_path)


def test_a_blob_of_other_bytes_than_its_name_says_is_refused(stocked: Home, tmp_path: Path) -> None:
    archive = tmp_path / "home.tar"
    back_up(stocked, archive)
    name = f"models/blobs/sha256-{hashlib.sha256(b'weights').hexdigest()}"
    rewrite(archive, [(tarfile.TarInfo(name), b"evil")], listed=True)
    refuses(archive, tmp_path)
    with pytest.raises(StoreError, match="other bytes"):
        read_archive(stocked, archive, force=True)
    assert (stocked.root / name).read_bytes() == b"weights"


def test_a_blob_that_is_here_already_stays(stocked: Home, tmp_path: Path) -> None:
    archive = tmp_path / "home.tar"
    back_up(stocked, archive, models=True)
    [blob] = (stocked.models / "blobs").iterdir()
    before = blob.stat().st_ino
    read_archive(stocked, archive, force=True)
    assert blob.stat().st_ino == before


def test_a_file_with_holes_is_refused_before_it_fills_the_disk(
    stocked: Home, tmp_path: Path
) -> None:
    archive = tmp_path / "home.tar"
    back_up(stocked, archive)
    bomb = tarfile.TarInfo("journal/bomb")
    bomb.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,4",
        "GNU.sparse.size": str(2**24),
    }
    rewrite(archive, [(bomb, b"evil")], listed=True)
    home = new_home(tmp_path / "home")
    with pytest.raises(StoreError, match="has holes"):
        read_archive(home, archive, force=False)


def test_an_entry_larger_than_the_archive_is_refused_unread(tmp_path: Path) -> None:
    archive = tmp_path / "home.tar"
    entry = tarfile.TarInfo("journal/large")
    entry.size = 2**50
    archive.write_bytes(entry.tobuf() + bytes(4096))
    home = new_home(tmp_path / "home")
    with pytest.raises(StoreError, match="larger than the file"):
        read_archive(home, archive, force=False)


def test_a_disk_without_room_is_told_before_anything_is_unpacked(
    stocked: Home, tmp_path: Path
) -> None:
    archive = tmp_path / "home.tar"
    back_up(stocked, archive)
    os.truncate(archive, shutil.disk_usage(tmp_path).total + 2**30)  # a hole, which takes no room
    home = new_home(tmp_path / "home")
    with pytest.raises(NotEnoughDisk):
        read_archive(home, archive, force=False)
    assert home.local_key() is None


def test_a_changed_byte_or_a_short_file_is_refused(stocked: Home, tmp_path: Path) -> None:
    archive = tmp_path / "home.tar"
    back_up(stocked, archive)
    whole = archive.read_bytes()
    place = whole.index(b"sk-basket-1.x")
    archive.write_bytes(whole[:place] + b"X" + whole[place + 1 :])
    refuses(archive, tmp_path)
    listing = whole.index(CONTENTS.encode())
    for length in (0, 100, 512, listing // 2, listing, listing + 512, listing + 520):
        archive.write_bytes(whole[:length])
        refuses(archive, tmp_path)


def refuses(archive: Path, tmp_path: Path) -> None:
    home = new_home(tmp_path / new_id("home"))
    with pytest.raises(StoreError):
        read_archive(home, archive, force=False)
    assert [path for path in home.root.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "outside").exists()


def test_a_target_that_cannot_be_written_is_an_error_without_leftovers(
    stocked: Home, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="could not be written"):
        back_up(stocked, tmp_path / "missing" / "home.tar")
    target = tmp_path / "home.tar"
    target.mkdir()
    with pytest.raises(StoreError):
        back_up(stocked, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home.tar", "stocked"]
