"""A file is what its bytes say, whatever its name and its sender say."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from secondbasket.errors import BadModelFile
from secondbasket.models.headers import detect_format, read_header
from tests.conftest import Weights
from tests.tiny_gguf import tiny_gguf

SAFETENSORS = b'{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'


def torch_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": [1.0]}))
    return buffer.getvalue()


def tarball() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights"))
    return buffer.getvalue()


def test_each_format_is_told_by_its_content(weights: Weights, tmp_path: Path) -> None:
    misnamed = tmp_path / "weights.pkl"
    misnamed.write_bytes(struct.pack("<Q", len(SAFETENSORS)) + SAFETENSORS + b"abcd")
    assert detect_format(misnamed) == "safetensors"
    assert read_header(misnamed, "safetensors").parameters == 4
    misnamed.write_bytes(tiny_gguf())
    assert detect_format(misnamed) == "gguf"
    assert detect_format(weights.embedding) == "onnx"


def test_an_announced_format_must_be_the_real_one(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(tiny_gguf())
    with pytest.raises(BadModelFile, match="announced as onnx and is gguf"):
        read_header(file, "onnx")


@pytest.mark.parametrize("name", ["model.gguf", "model.safetensors", "model.onnx", "model.bin"])
@pytest.mark.parametrize(
    "content",
    [
        *(pickle.dumps({"weight": [1.0]}, protocol) for protocol in range(6)),
        torch_zip(),
        tarball(),
        gzip.compress(b"weights"),
        b"version https://git-lfs.github.com/spec/v1\n",
        b"<!doctype html><title>404</title>",
        b'{"error": "not found"}',
        b"\x93NUMPY\x01\x00",
        b"\x08",
        b"GGU",
        b"",
    ],
)
def test_what_could_run_code_or_is_no_model_is_refused(
    tmp_path: Path, name: str, content: bytes
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(BadModelFile) as caught:
        detect_format(file)
    assert caught.value.hint


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "absent.gguf"):
        with pytest.raises(BadModelFile):
            detect_format(path)
