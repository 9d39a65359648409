"""Engine, chip and options are decided before anything is loaded."""

from pathlib import Path

import msgspec
import pytest

from secondbasket.cloud.placement import choose_options, load_engines, pick_engine, place
from secondbasket.core.chip import Chip
from secondbasket.core.model import ModelFile, ModelRecord, ModelShape
from secondbasket.errors import EngineError, ModelDoesNotFit, PluginError

GIB = 1 << 30

CPU = Chip(
    id="cpu", kind="cpu", vendor="", name="", cores=6, memory_total=32 * GIB, memory_free=16 * GIB
)
GPU = msgspec.structs.replace(CPU, id="gpu", kind="gpu")

# Qwen3-4B in Q4_K_M, by its own header: 144 KiB of cache a token.
CHAT = ModelRecord(
    name="qwen3-4b",
    task="chat",
    format="gguf",
    digest="",
    files=(ModelFile("weights.gguf", "", 2_500_000_000),),
    licence="Apache-2.0",
    source="file:",
    shape=ModelShape(
        architecture="qwen3",
        parameters=4_022_468_096,
        layers=36,
        heads=32,
        kv_heads=8,
        head_size=128,
        embedding_size=2560,
        context_tokens=32_768,
        vocabulary=151_936,
    ),
)
EMBEDDING = msgspec.structs.replace(
    CHAT,
    name="minilm",
    task="embedding",
    format="onnx",
    files=(ModelFile("model.onnx", "", 22_928_619),),
    shape=ModelShape(architecture="onnx", parameters=22_617_680),
)


def test_the_built_in_engines_load_by_the_road_of_every_plug_in() -> None:
    engines = load_engines()
    assert {"llamacpp", "onnx"} <= engines.keys()
    assert pick_engine(CHAT, engines).name == "llamacpp"
    assert pick_engine(EMBEDDING, engines).name == "onnx"
    assert list(load_engines(["onnx"])) == ["onnx"]
    with pytest.raises(PluginError, match="steam"):
        load_engines(["steam"])


def test_a_model_that_no_engine_runs_is_told_what_is_installed() -> None:
    chat_by_onnx = msgspec.structs.replace(CHAT, format="onnx")
    with pytest.raises(PluginError, match=r"'qwen3-4b'.*onnx weights for chat") as told:
        pick_engine(chat_by_onnx, load_engines(["onnx"]))
    assert "onnx runs onnx for embedding" in told.value.hint


def test_defaults_suit_the_chip_and_the_model() -> None:
    options = choose_options(CHAT, CPU)
    assert (options.threads, options.slots, options.context_tokens) == (6, 4, 4096)
    assert options.cache_mib == 256
    options = choose_options(EMBEDDING, CPU)
    assert (options.slots, options.context_tokens) == (2, 256)


def test_the_context_shrinks_before_the_machine_is_full_and_no_further_than_it_must() -> None:
    contexts = [
        choose_options(
            CHAT, msgspec.structs.replace(CPU, memory_free=free * GIB // 2)
        ).context_tokens
        for free in (16, 11, 9, 6)
    ]
    assert contexts == [4096, 2048, 1024, 1024]


def test_what_the_operator_sets_holds_up_to_what_the_model_can() -> None:
    options = choose_options(CHAT, CPU, context_tokens=10_000, slots=2, threads=3, cache_mib=0)
    assert msgspec.structs.astuple(options) == (10_000, 2, 3, 0)
    assert choose_options(CHAT, CPU, context_tokens=99_999).context_tokens == 32_768
    assert choose_options(EMBEDDING, CPU, context_tokens=8192).context_tokens == 256


def test_placed_is_what_fits_on_a_cpu() -> None:
    files = {"weights.gguf": Path("blob")}
    spec = place(CHAT, files, engines=load_engines(), chips=[GPU, CPU], threads=2)
    assert (spec.chip.id, spec.engine.name, spec.options.threads) == ("cpu", "llamacpp", 2)
    assert spec.files == files
    assert spec.estimate.fits
    assert spec.estimate.kv_cache == 4 * 4096 * 147_456


def test_what_does_not_fit_is_refused_with_the_numbers() -> None:
    little = msgspec.structs.replace(CPU, memory_free=2 * GIB)
    with pytest.raises(ModelDoesNotFit, match="2,500 MB"):
        place(CHAT, {}, engines=load_engines(), chips=[little])
    with pytest.raises(ModelDoesNotFit):
        place(CHAT, {}, engines=load_engines(), chips=[CPU], promised=14 * GIB)
    with pytest.raises(EngineError, match="no chip"):
        place(CHAT, {}, engines=load_engines(), chips=[GPU])
