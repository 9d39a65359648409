"""Estimates against the resident memory of the real engines, at work."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from secondbasket.chips.fit import estimate
from secondbasket.chips.probes import cpu
from secondbasket.cloud.engines import llamacpp, onnx, openvino
from secondbasket.core.model import ModelRecord
from secondbasket.core.ports import EngineOptions
from secondbasket.models.headers import read_header
from secondbasket.testing.engines import API_KEY, EngineCase, Running, running
from tests.conftest import Weights

pytestmark = pytest.mark.anyio


def options(context: int, slots: int) -> EngineOptions:
    return EngineOptions(context_tokens=context, slots=slots, threads=1, cache_mib=0)


async def ask(engine: Running, path: str, body: dict[str, Any]) -> None:
    async with engine.session.post(
        f"http://127.0.0.1:{engine.port}{path}",
        json=body,
        headers={"Authorization": f"Bearer {API_KEY}"},
    ) as response:
        assert response.status == 200, await response.text()


def compare(
    case: EngineCase, weights: Path, observed: int | None, *, at_least: float = 0.75
) -> None:
    (chip,) = cpu.create().probe(measure=False)
    expected = estimate(
        shape=read_header(weights, case.model.format),
        weights_bytes=sum(path.stat().st_size for path in case.files.values()),
        options=case.options,
        chip=chip,
        task=case.model.task,
        engine=case.engine.name,
    ).resident
    assert observed is not None
    assert at_least * expected < observed < 1.1 * expected, (observed, expected)


CHAT = ModelRecord(
    name="chat", task="chat", format="gguf", digest="", files=(), licence="", source=""
)


@pytest.mark.parametrize(("context", "slots"), [(640, 1), (1024, 8), (8192, 2)])
async def test_llama_cpp(weights: Weights, tmp_path: Path, context: int, slots: int) -> None:
    case = EngineCase(
        engine=llamacpp.create(),
        model=CHAT,
        files={"weights.gguf": weights.chat},
        broken={},
        options=options(context, slots),
    )
    async with running(case, tmp_path / "log") as engine:
        # Longer than one batch, so that the compute buffers are all touched.
        prompt = [1000 + n for n in range(540)]
        await ask(engine, "/v1/completions", {"prompt": prompt, "max_tokens": 4})
        compare(case, weights.chat, engine.process.resident_bytes())


@pytest.mark.parametrize(("context", "slots"), [(640, 1), (2048, 4)])
async def test_openvino(weights: Weights, tmp_path: Path, context: int, slots: int) -> None:
    case = EngineCase(
        engine=openvino.create(),
        model=CHAT,
        files={"weights.gguf": weights.chat},
        broken={},
        options=options(context, slots),
    )
    async with running(case, tmp_path / "log") as engine:
        # Its cache is touched as it fills: each slot's, with a prompt of its own.
        async with anyio.create_task_group() as calls:
            for slot in range(slots):
                prompt = [1000 + slot + n for n in range(context - 8)]
                body = {"prompt": prompt, "max_tokens": 4}
                calls.start_soon(ask, engine, "/v1/completions", body)
        compare(case, weights.chat, engine.process.resident_bytes())


@pytest.mark.parametrize(("context", "slots"), [(256, 1), (512, 2)])
async def test_onnxruntime(weights: Weights, tmp_path: Path, context: int, slots: int) -> None:
    case = EngineCase(
        engine=onnx.create(),
        model=ModelRecord(
            name="embed",
            task="embedding",
            format="onnx",
            digest="",
            files=(),
            licence="",
            source="",
        ),
        files={"model.onnx": weights.embedding, "tokenizer.json": weights.tokenizer},
        broken={},
        options=options(context, slots),
    )
    longest = [2000] * context
    async with running(case, tmp_path / "log") as engine:
        async with anyio.create_task_group() as calls:
            for _ in range(slots):
                calls.start_soon(ask, engine, "/v1/embeddings", {"input": [longest] * 4})
        # What it takes at its widest it takes for a moment: two slots seldom do so in the same.
        least = 0.75 if slots == 1 else 0.6
        compare(case, weights.embedding, engine.process.resident_bytes(), at_least=least)
