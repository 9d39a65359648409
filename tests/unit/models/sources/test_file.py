"""``file:`` copies what lies on this machine."""

from pathlib import Path

import pytest

from secondbasket.core.ports import PullProgress
from secondbasket.errors import SourceUnavailable
from secondbasket.models.sources.file import FileSource

pytestmark = pytest.mark.anyio


async def test_a_file_is_copied_and_the_original_stays_its_owners(
    tmp_path: Path, into: Path, told: list[PullProgress]
) -> None:
    original = tmp_path / "my model.gguf"
    original.write_bytes(b"weights")
    fetched = await FileSource().fetch(str(original), into, told.append)
    (file,) = fetched.files
    assert (file.name, file.path.read_bytes()) == ("my model.gguf", b"weights")
    assert fetched.provenance == {"path": str(original)}
    original.write_bytes(b"changed")
    assert file.path.read_bytes() == b"weights"
    assert told == [PullProgress("my model.gguf", 7, 7, "downloading")]


async def test_a_folder_brings_all_its_files(tmp_path: Path, into: Path) -> None:
    folder = tmp_path / "minilm"
    (folder / "deeper").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"onnx")
    (folder / "tokenizer.json").write_bytes(b"{}")
    fetched = await FileSource().fetch(str(folder), into, lambda progress: None)
    assert [file.name for file in fetched.files] == ["model.onnx", "tokenizer.json"]


@pytest.mark.parametrize("place", ["none.gguf", "empty", "/dev/zero"])
async def test_what_is_no_file_is_told(place: str, tmp_path: Path, into: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceUnavailable, match="There is no file"):
        await FileSource().fetch(str(tmp_path / place), into, lambda progress: None)
