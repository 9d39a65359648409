"""llama.cpp as an embedding engine, over the real chat weights told to pool their output."""

import struct
from pathlib import Path

import pytest

from secondbasket.cloud.engines import llamacpp
from secondbasket.core.model import ModelRecord
from secondbasket.core.ports import EngineOptions
from secondbasket.testing.engines import EngineCase, running
from tests.conftest import Weights

_UINT32 = 4
_MEAN = 1
_ALIGNMENT = 32


def _with_mean_pooling(weights: Path, into: Path) -> Path:
    """A copy whose header has one more entry: ``llama.pooling_type = mean``.

    The entry goes first; its length is a multiple of the alignment, so that the
    tensors, which are addressed from the end of the header, stay aligned.
    """
    whole = weights.read_bytes()
    magic, version, tensors, entries = struct.unpack_from("<4sIQQ", whole)
    key = b"llama.pooling_type"
    entry = struct.pack("<Q", len(key)) + key + struct.pack("<II", _UINT32, _MEAN)
    note = b"general.note"
    room = -(len(entry) + 8 + len(note) + 4 + 8) % _ALIGNMENT
    padding = struct.pack("<Q", len(note)) + note + struct.pack("<IQ", 8, room) + b" " * room
    head = struct.pack("<4sIQQ", magic, version, tensors, entries + 2)
    pooled = into / "pooled.gguf"
    pooled.write_bytes(head + entry + padding + whole[24:])
    return pooled


@pytest.mark.anyio
async def test_it_embeds_inputs_as_long_as_its_context(tmp_path: Path, weights: Weights) -> None:
    case = EngineCase(
        engine=llamacpp.create(),
        model=ModelRecord(
            name="pooled",
            task="embedding",
            format="gguf",
            digest="",
            files=(),
            licence="",
            source="file:",
        ),
        files={"weights.gguf": _with_mean_pooling(weights.chat, tmp_path)},
        broken={},
        options=EngineOptions(context_tokens=640, slots=2, threads=2, cache_mib=0),
    )
    async with running(case, tmp_path / "log") as engine:
        status, answer, _ = await engine.ask("word " * 560)
        assert status == 200
        assert len(answer["data"][0]["embedding"]) == 576
        assert answer["usage"]["prompt_tokens"] >= 560
        # llama.cpp checks its batch before its context: no 400, but never a silent cut.
        status, answer, _ = await engine.ask("word " * 700)
        assert (status, answer["error"]["type"]) == (500, "server_error")
        assert "is too large to process" in answer["error"]["message"]
