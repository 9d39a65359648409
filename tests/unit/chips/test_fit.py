"""The arithmetic of fitting; tests/integration/chips holds it against real engines."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.chips.fit import estimate, require_fit
from secondbasket.core.chip import Chip, FitEstimate
from secondbasket.core.model import ModelShape, ModelTask
from secondbasket.core.ports import EngineOptions
from secondbasket.errors import ModelDoesNotFit

QWEN3_8B = ModelShape(
    architecture="qwen3",
    parameters=8_190_735_360,
    layers=36,
    heads=32,
    kv_heads=8,
    head_size=128,
    embedding_size=4096,
    context_tokens=40960,
    vocabulary=151_936,
)
WEIGHTS = 5_027_783_488


def cpu(free: int) -> Chip:
    return Chip(
        id="cpu", kind="cpu", vendor="", name="", cores=8, memory_total=free, memory_free=free
    )


def options(context: int, slots: int, cache_mib: int = 0) -> EngineOptions:
    return EngineOptions(context_tokens=context, slots=slots, threads=8, cache_mib=cache_mib)


def require(context: int, slots: int, *, free: int) -> FitEstimate:
    return require_fit(
        shape=QWEN3_8B, weights_bytes=WEIGHTS, options=options(context, slots), chip=cpu(free)
    )


def test_the_cache_is_layers_heads_context_and_slots() -> None:
    fit = estimate(
        shape=QWEN3_8B, weights_bytes=WEIGHTS, options=options(4096, 4, 256), chip=cpu(16 << 30)
    )
    assert fit.weights == WEIGHTS
    assert fit.kv_cache == 2 * 36 * 8 * 128 * 2 * 4096 * 4
    assert fit.prompt_cache == 256 << 20
    assert fit.needed == fit.resident + fit.prompt_cache
    assert fit.fits


def test_exactly_enough_is_enough() -> None:
    needed = require(4096, 1, free=64 << 30).needed
    assert require(4096, 1, free=needed).fits
    with pytest.raises(ModelDoesNotFit):
        require(4096, 1, free=needed - 1)


def test_a_refusal_gives_the_numbers_and_what_would_fit() -> None:
    with pytest.raises(ModelDoesNotFit) as caught:
        require(32768, 4, free=8 * 10**9)
    assert "weights 5,028 MB, key-value cache 19,327 MB for 4 × 32768 tokens" in str(caught.value)
    assert "8,000 MB are free on cpu" in str(caught.value)
    tokens, slots = (int(word) for word in caught.value.hint.split() if word.isdigit())
    assert require(tokens, slots, free=8 * 10**9).fits


def test_when_no_context_would_help_it_says_so() -> None:
    with pytest.raises(ModelDoesNotFit, match="smaller model") as caught:
        require(4096, 1, free=4 * 10**9)
    assert "would fit" not in caught.value.hint


def test_an_embedding_model_computes_its_whole_context_at_once() -> None:
    def margin(task: ModelTask) -> int:
        return estimate(
            shape=QWEN3_8B,
            weights_bytes=WEIGHTS,
            options=options(8192, 1),
            chip=cpu(64 << 30),
            task=task,
        ).margin

    # Two bytes for every token of the batch and every token it may look at.
    assert margin("embedding") > margin("chat") + 2 * (8192 - 512) * 8192


def test_openvino_holds_what_it_makes_of_the_weights_and_a_smaller_cache() -> None:
    fit = estimate(
        shape=QWEN3_8B,
        weights_bytes=WEIGHTS,
        options=options(4096, 4, 256),
        chip=cpu(64 << 30),
        engine="openvino",
    )
    assert fit.weights > 3 * WEIGHTS
    # A byte a value, twelve for each head's key and value, a block to spare for each slot.
    assert fit.kv_cache == 2 * 36 * 8 * (128 + 12) * (4096 + 32) * 4
    assert fit.prompt_cache == 0


@given(
    context=st.integers(1, 1 << 20),
    slots=st.integers(1, 64),
    task=st.sampled_from(get_args(ModelTask)),
    architecture=st.sampled_from(["qwen3", "onnx"]),
    engine=st.sampled_from(["", "openvino"]),
)
def test_more_never_needs_less(
    context: int, slots: int, task: ModelTask, architecture: str, engine: str
) -> None:
    shape = ModelShape(
        architecture=architecture, parameters=10**9, layers=2, kv_heads=2, head_size=64
    )

    def needed(context: int, slots: int) -> int:
        return estimate(
            shape=shape,
            weights_bytes=10**9,
            options=options(context, slots),
            chip=cpu(1),
            task=task,
            engine=engine,
        ).needed

    assert needed(context, slots) <= needed(context + 1, slots)
    assert needed(context, slots) < needed(context, slots + 1)
