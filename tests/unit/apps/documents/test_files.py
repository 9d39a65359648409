"""Which files of a folder are read."""

from pathlib import Path

import pytest

from secondbasket.apps.documents import files
from secondbasket.errors import InvalidRequest, NotFound


def test_a_folder_gives_its_documents_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("x")
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name in ("b.md", "below/a.TXT", "picture.png", ".hidden.txt", ".git/c.txt"):
        (folder / name).write_text("x")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "linked").symlink_to(outside)
    found = files.find([str(folder)])
    assert [str(path.relative_to(folder)) for path in found.paths] == ["b.md", "below/a.TXT"]
    assert (found.folders, found.skipped) == ([folder], 1)


def test_a_file_that_is_named_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("x")
    found = files.find([str(path), str(tmp_path / "." / "notes")])
    assert (found.paths, found.folders, found.skipped) == ([path], [], 0)


def test_a_path_is_stored_by_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("x")
    (tmp_path / "way").symlink_to(tmp_path / "real")
    roundabout = f"{tmp_path}/real/../way/a.txt"
    assert files.find([roundabout]).paths == [tmp_path / "real" / "a.txt"]


@pytest.mark.parametrize("path", ["a.txt", "../a.txt", "", "/a\0b"])
def test_only_absolute_paths(path: str) -> None:
    with pytest.raises(InvalidRequest, match="not an absolute path"):
        files.find([path])


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file or folder"):
        files.find([str(tmp_path / "absent")])
