"""The embedding engine's door: every form of input, and every form of wrong one."""

import base64
import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from secondbasket.cloud.engines import onnx
from secondbasket.core.model import ModelRecord
from secondbasket.core.ports import EngineOptions
from secondbasket.testing.engines import API_KEY, EngineCase, Running, running
from tests.conftest import EMBEDDING_MODEL, Weights

pytestmark = pytest.mark.anyio


MODEL = ModelRecord(
    name=EMBEDDING_MODEL,
    task="embedding",
    format="onnx",
    digest="",
    files=(),
    licence="",
    source="file:",
)


@pytest.fixture(scope="module")
async def engine(
    weights: Weights, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    files = {"model.onnx": weights.embedding, "tokenizer.json": weights.tokenizer}
    case = EngineCase(
        engine=onnx.create(),
        model=MODEL,
        files=files,
        broken={},
        options=EngineOptions(context_tokens=256, slots=2, threads=2, cache_mib=0),
    )
    async with running(case, Path(tmp_path_factory.mktemp("engine")) / "log") as started:
        yield started


async def _post(engine: Running, body: bytes) -> tuple[int, Any]:
    async with engine.session.post(
        f"http://127.0.0.1:{engine.port}/v1/embeddings",
        data=body,
        headers={"Authorization": f"Bearer {API_KEY}"},
    ) as response:
        return response.status, await response.json()


async def _embed(engine: Running, **body: Any) -> tuple[int, Any]:
    return await _post(engine, json.dumps(body).encode())


async def test_texts_come_back_in_order_with_their_exact_count(engine: Running) -> None:
    status, answer = await _embed(engine, input=["a long text about cats", "dog"])
    assert status == 200
    assert [each["index"] for each in answer["data"]] == [0, 1]
    assert [len(each["embedding"]) for each in answer["data"]] == [384, 384]
    assert answer["usage"] == {"prompt_tokens": 7 + 3, "total_tokens": 10}
    _, alone = await _embed(engine, input="dog", dimensions=384)
    assert alone["data"][0]["embedding"] == pytest.approx(answer["data"][1]["embedding"], abs=1e-5)


async def test_token_ids_are_one_input_and_lists_of_them_several(engine: Running) -> None:
    ids = [101, 3899, 102]  # [CLS] dog [SEP]
    _, text = await _embed(engine, input="dog")
    for given in (ids, [ids]):
        _, answer = await _embed(engine, input=given)
        assert answer["data"][0]["embedding"] == pytest.approx(text["data"][0]["embedding"])
    _, two = await _embed(engine, input=[ids, ids])
    assert (len(two["data"]), two["usage"]["prompt_tokens"]) == (2, 6)


async def test_base64_is_the_same_numbers_as_float32(engine: Running) -> None:
    _, plain = await _embed(engine, input="dog")
    _, packed = await _embed(engine, input="dog", encoding_format="base64")
    numbers = struct.unpack("<384f", base64.b64decode(packed["data"][0]["embedding"]))
    assert numbers == pytest.approx(plain["data"][0]["embedding"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": []}, "0 items"),
        ({"input": ["x"] * 2049}, "2049 items"),
        ({"input": [[]]}, "no tokens"),
        ({"input": [[-1]]}, "0 to 30521"),
        ({"input": [30522]}, "0 to 30521"),
        ({"input": ["text", 1]}, "mixes"),
        ({"input": [True]}, "bool"),
        ({"input": 7}, "int"),
        ({"input": None}, "null"),
        ({}, "input"),
        ({"input": "x", "dimensions": 100}, "384 dimensions"),
        ({"input": "x", "encoding_format": "hex"}, "hex"),
    ],
)
async def test_what_is_wrong_is_said(engine: Running, body: dict[str, Any], words: str) -> None:
    status, answer = await _embed(engine, **body)
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"
    assert words in answer["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"input": "\xff"}', b'{"input": "\\ud800"}'])
async def test_what_is_no_json_is_refused(engine: Running, body: bytes) -> None:
    status, answer = await _post(engine, body)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


async def test_one_long_input_among_short_ones_is_refused_with_its_count(engine: Running) -> None:
    status, answer = await _embed(engine, input=["short", "word " * 300])
    assert status == 400
    assert answer["error"]["type"] == "exceed_context_size_error"
    assert (answer["error"]["n_prompt_tokens"], answer["error"]["n_ctx"]) == (302, 256)


def test_the_library_is_told_not_to_report_to_its_maker(weights: Weights) -> None:
    """That it does not is seen in tests/acceptance/test_no_route_out.py."""
    files = {"model.onnx": weights.embedding, "tokenizer.json": weights.tokenizer}
    options = EngineOptions(context_tokens=256, slots=1, threads=1, cache_mib=0)
    child = onnx.create().child(MODEL, files, options, API_KEY)
    assert child.environment["ORT_DISABLE_TELEMETRY"] == "1"
