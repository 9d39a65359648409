"""Manifests: names that stay inside their folder, no silent replacement, crash-safe writes."""

from pathlib import Path

import msgspec
import pytest

from secondbasket.core.model import ModelFile, ModelRecord
from secondbasket.errors import BadModelFile, Conflict, InvalidRequest, ModelNotFound
from secondbasket.models.registry import Registry, name_from


def record(name: str = "qwen", sha256: str = "a" * 64, *extra: ModelFile) -> ModelRecord:
    return ModelRecord(
        name=name,
        task="chat",
        format="gguf",
        digest=f"sha256:{sha256}",
        files=(ModelFile("w.gguf", sha256, 10), *extra),
        licence="Apache-2.0",
        source="file:/w.gguf",
        provenance={"sources": [{"path": "/w.gguf"}]},
    )


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "manifests")


def test_a_record_survives_in_a_readable_file(registry: Registry, tmp_path: Path) -> None:
    registry.add(record())
    text = (tmp_path / "manifests" / "qwen.json").read_text()
    assert '"licence": "Apache-2.0"' in text
    assert Registry(tmp_path / "manifests").get("qwen") == record()
    assert registry.list() == (record(),)


@pytest.mark.parametrize(
    "name",
    ["../up", "a/b", "/etc/x", "", ".hidden", "UPPER", "a..b", "a\x00b", "a b", "x" * 97, "a\n"],
)
def test_no_name_leads_out_of_the_folder(registry: Registry, name: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot name a model"):
        registry.add(record(name))
    with pytest.raises(InvalidRequest):
        registry.get(name)
    with pytest.raises(InvalidRequest):
        registry.remove(name)


def test_a_taken_name_is_a_conflict_and_stays_as_it_was(registry: Registry) -> None:
    registry.add(record())
    with pytest.raises(Conflict, match="already names another model"):
        registry.add(record(sha256="b" * 64))
    with pytest.raises(Conflict):
        registry.add(record("qwen", "a" * 64, ModelFile("evil.json", "c" * 64, 1)))
    assert registry.get("qwen") == record()


def test_the_same_files_again_keep_the_first_record(registry: Registry) -> None:
    registry.add(record())
    again = msgspec.structs.replace(record(), source="file:/elsewhere")
    assert registry.add(again) == record()


def test_replace_replaces(registry: Registry) -> None:
    registry.add(record())
    registry.add(record(sha256="b" * 64), replace=True)
    assert registry.get("qwen").digest == "sha256:" + "b" * 64


def test_removing_frees_only_what_nobody_else_uses(registry: Registry) -> None:
    shared = ModelFile("tokenizer.json", "d" * 64, 5)
    registry.add(record("one", "a" * 64, shared))
    registry.add(record("two", "b" * 64, shared))
    assert registry.remove("one") == ("a" * 64,)
    assert registry.remove("two") == ("b" * 64, "d" * 64)
    assert registry.list() == ()
    with pytest.raises(ModelNotFound):
        registry.remove("one")


def test_an_unknown_name_is_told_the_nearest(registry: Registry) -> None:
    registry.add(record("qwen3-4b"))
    with pytest.raises(ModelNotFound) as caught:
        registry.get("qwen3-4")
    assert caught.value.hint == "Did you mean 'qwen3-4b'?"


def test_a_damaged_manifest_is_named(registry: Registry, tmp_path: Path) -> None:
    registry.add(record())
    (tmp_path / "manifests" / "qwen.json").write_text('{"name": ')
    with pytest.raises(BadModelFile, match=r"qwen\.json cannot be read"):
        registry.list()


def test_a_manifest_that_the_system_does_not_let_us_read_is_named(
    registry: Registry, tmp_path: Path
) -> None:
    registry.add(record())
    (tmp_path / "manifests" / "taken.json").mkdir()
    with pytest.raises(BadModelFile, match=r"taken\.json cannot be read"):
        registry.list()


def test_nothing_is_removed_while_it_is_unknown_which_files_others_use(
    registry: Registry, tmp_path: Path
) -> None:
    registry.add(record())
    damaged = tmp_path / "manifests" / "other.json"
    damaged.write_text("{")
    with pytest.raises(BadModelFile, match=r"other\.json"):
        registry.remove("qwen")
    assert registry.get("qwen") == record()
    damaged.unlink()
    assert registry.remove("qwen") == ("a" * 64,)


def test_a_draft_that_a_crash_left_is_nobodys_manifest(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "manifests" / "qwen.draft").write_text("{")
    assert registry.list() == ()
    registry.add(record())
    assert registry.get("qwen") == record()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Qwen3-0.6B-Q8_0.gguf", "qwen3-0.6b-q8_0"),
        ("model.onnx", "model"),
        ("My Model (v2).gguf", "my-model-v2"),
        ("a..b.safetensors", "a-b"),
    ],
)
def test_names_made_from_files(file: str, name: str) -> None:
    assert name_from(file) == name
