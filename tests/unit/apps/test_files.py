"""Files: nothing outside of the folder, whole files or none, and the same call once."""

import os
import resource
import threading
from pathlib import Path
from typing import Any

import pytest

from secondbasket.apps.tools import files
from secondbasket.apps.tools.folder import Folder, parse
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.core.ports import Tool
from secondbasket.core.tool import NeverHappened, ToolCall, ToolOutcome
from secondbasket.errors import OutcomeUnknown, ToolFailed
from tests.grounds import no_session

pytestmark = pytest.mark.anyio

TOOLS: dict[str, Tool] = {
    tool.facts.name: tool
    for tool in files.create(
        ToolGround(session=no_session, settings={"largest_bytes": 200_000}, programs=Path("/"))
    )
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tsk_1"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("the neighbour's")
    return folder


def call_of(folder: Path, key: str = "eff_1", **arguments: Any) -> ToolCall:
    return ToolCall(key=key, task="tsk_1", worker="w", arguments=arguments, folder=folder)


async def do(name: str, folder: Path, key: str = "eff_1", **arguments: Any) -> ToolOutcome:
    return await TOOLS[name].call(call_of(folder, key, **arguments))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


ESCAPES = (
    "../secret.txt",
    "a/../../secret.txt",
    "/etc/passwd",
    "/task/../secret.txt",
    "//etc/passwd",
    "..",
    "..\\secret.txt",
    "a\0b",
    "a\nb",
    ".basket/x.json",
    "/task/.basket/x.json",
    "x" * 300,
    "a/" * 20 + "b",
    "",
    "/task",
)


@pytest.mark.parametrize("path", ESCAPES)
async def test_a_name_leads_nowhere_else(folder: Path, path: str) -> None:
    before = sorted(folder.parent.rglob("*"))
    for name, more in (("files.read", {}), ("files.write", {"content": "x"})):
        with pytest.raises(ToolFailed):
            await do(name, folder, path=path, **more)
    with pytest.raises(ToolFailed):
        await do("files.append", folder, path=path, content="x")
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize("path", ["link.txt", "inner/secret.txt", "inner/deeper/new.txt"])
async def test_links_are_not_followed(folder: Path, path: str) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "inner").symlink_to(folder.parent)
    with pytest.raises(ToolFailed):
        await do("files.read", folder, path=path)
    if path != "link.txt":
        with pytest.raises(ToolFailed):
            await do("files.write", folder, path=path, content="changed")
    with pytest.raises(ToolFailed):
        await do("files.append", folder, path=path, content="changed")
    listed = await do("files.list", folder)
    assert "secret" not in listed.text
    assert (folder.parent / "secret.txt").read_text() == "the neighbour's"
    assert not (folder.parent / "deeper").exists()


async def test_writing_over_a_link_replaces_the_link(folder: Path) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    await do("files.write", folder, path="link.txt", content="mine")
    assert not (folder / "link.txt").is_symlink()
    assert (folder / "link.txt").read_text() == "mine"
    assert (folder.parent / "secret.txt").read_text() == "the neighbour's"


async def test_links_that_are_swapped_in_meanwhile_are_not_followed(folder: Path) -> None:
    """A race, run for real: one thread swaps a folder for a link, the other reads through it."""
    inside, aside = folder / "inner", folder / "aside"
    inside.mkdir()
    (inside / "secret.txt").write_text("mine")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            inside.rename(aside)
            inside.symlink_to(folder.parent)
            inside.unlink()
            aside.rename(inside)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for _ in range(2000):
            try:
                seen.add(Folder(folder).read(parse("inner/secret.txt"), limit=100)[0])
            except ToolFailed:
                seen.add(b"refused")
    finally:
        stop.set()
        swapper.join()
    assert seen <= {b"mine", b"refused"}


async def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(ToolFailed):
        await do("files.read", folder, path="pipe")
    (folder / "inner").mkdir()
    with pytest.raises(ToolFailed):
        await do("files.read", folder, path="inner")
    with pytest.raises(ToolFailed, match="folder"):
        await do("files.write", folder, path="inner", content="x")


async def test_a_missing_file_is_told_with_those_that_are_there(folder: Path) -> None:
    (folder / "report.md").write_text("x")
    with pytest.raises(ToolFailed, match=r"no file 'repot\.md'") as caught:
        await do("files.read", folder, path="repot.md")
    assert "report.md" in caught.value.hint


async def test_a_long_file_is_read_piece_by_piece(folder: Path) -> None:
    text = "Zeile mit Umlaut äöü €\n" * 6000
    await do("files.write", folder, path="long.txt", content=text)
    read, offset = "", 0
    for _ in range(10):
        outcome = await do("files.read", folder, path="/task/long.txt", offset=offset)
        assert len(outcome.text.encode()) < 64 * 1024
        read += outcome.data["text"]
        offset = outcome.data["next_offset"]
        if offset is None:
            break
        assert f"read on at offset {offset}" in outcome.text
    assert read == text
    with pytest.raises(ToolFailed, match="nothing is left"):
        await do("files.read", folder, path="long.txt", offset=10**9)


async def test_text_of_windows_is_read_and_what_is_none_is_refused(folder: Path) -> None:
    (folder / "old.txt").write_bytes("Grüße für 5 €".encode("cp1252"))
    assert (await do("files.read", folder, path="old.txt")).text == "Grüße für 5 €"
    (folder / "marked.txt").write_bytes("\ufeffText".encode())
    assert (await do("files.read", folder, path="marked.txt")).text == "Text"
    (folder / "picture.png").write_bytes(b"\x89PNG\0\0")
    with pytest.raises(ToolFailed, match="no text file"):
        await do("files.read", folder, path="picture.png")


async def test_the_list_is_bounded_and_hides_what_is_ours(folder: Path) -> None:
    await do("files.append", folder, path="a.txt", content="x")
    assert (folder / ".basket").is_dir()
    assert (await do("files.list", folder)).data["files"] == [{"path": "a.txt", "bytes": 1}]
    for number in range(520):
        (folder / f"{number:03}.txt").touch()
    outcome = await do("files.list", folder)
    assert outcome.data["cut"]
    assert len(outcome.data["files"]) == 500


async def test_too_much_is_refused_before_anything_is_written(folder: Path) -> None:
    with pytest.raises(ToolFailed, match="200001 bytes"):
        await do("files.write", folder, path="a.txt", content="x" * 200_001)
    with pytest.raises(ToolFailed, match="surrogate"):
        await do("files.write", folder, path="a.txt", content="\ud800")
    await do("files.write", folder, path="a.txt", content="x" * 150_000)
    with pytest.raises(ToolFailed, match="would grow to"):
        await do("files.append", folder, path="a.txt", content="x" * 60_000)
    assert (folder / "a.txt").stat().st_size == 150_000


async def test_a_full_disk_leaves_the_old_file(folder: Path) -> None:
    await do("files.write", folder, path="a.txt", content="old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ToolFailed, match="the disk is full"):
            await do("files.write", folder, path="a.txt", content="x" * 50_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (folder / "a.txt").read_text() == "old"
    assert names(folder) == ["a.txt"], "no draft is left behind"


async def test_a_write_is_reconciled_by_what_the_file_holds(folder: Path) -> None:
    tool, call = TOOLS["files.write"], call_of(folder, path="a.txt", content="new")
    assert isinstance(await tool.reconcile(call), NeverHappened)
    (folder / "a.txt").write_text("newer")
    assert isinstance(await tool.reconcile(call), NeverHappened)
    await tool.call(call)
    found = await tool.reconcile(call)
    assert isinstance(found, ToolOutcome)
    assert found.files == ("a.txt",)


async def test_a_draft_of_a_crash_is_used_up(folder: Path) -> None:
    await do("files.write", folder, path="a.txt", content="one")
    real, crash = os.rename, RuntimeError("killed")

    def die(*arguments: Any, **more: Any) -> None:
        raise crash

    os.rename = die
    try:
        with pytest.raises(RuntimeError):
            await do("files.write", folder, path="a.txt", content="two")
    finally:
        os.rename = real
    assert len(names(folder)) == 2
    assert (folder / "a.txt").read_text() == "one"
    await do("files.write", folder, path="a.txt", content="two")
    assert names(folder) == ["a.txt"]


async def test_an_append_happens_once_wherever_it_was_cut_off(folder: Path) -> None:
    tool = TOOLS["files.append"]
    (folder / "log.txt").write_text("line\n")
    call = call_of(folder, "eff_a", path="log.txt", content="line\n")
    assert isinstance(await tool.reconcile(call), NeverHappened)
    await tool.call(call)
    # The same text under the same key is there; under another key it is meant once more.
    assert isinstance(await tool.reconcile(call), ToolOutcome)
    await tool.call(call)
    await tool.call(call_of(folder, "eff_b", path="log.txt", content="line\n"))
    assert (folder / "log.txt").read_text() == "line\n" * 3

    # Killed between its mark and its file: it never happened, and can be made again.
    later = call_of(folder, "eff_c", path="log.txt", content="end\n")
    real = Folder.replace

    def die(self: Folder, name: tuple[str, ...], content: bytes, *, key: str) -> None:
        if name == ("log.txt",):
            raise RuntimeError("killed")
        real(self, name, content, key=key)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(Folder, "replace", die)
        await tool.call(later)
    assert isinstance(await tool.reconcile(later), NeverHappened)
    # Changed by others since: nobody can tell any more.
    (folder / "log.txt").write_text("something else\n")
    assert await tool.reconcile(later) is None
    with pytest.raises(OutcomeUnknown):
        await tool.call(later)
