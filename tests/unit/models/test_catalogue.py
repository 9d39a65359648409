"""The shipped catalogue says only what can be pulled, and an operator's own file extends it."""

import re
from pathlib import Path

import pytest

from secondbasket.errors import InvalidRequest, SettingsError
from secondbasket.models.catalogue import load_catalogue
from secondbasket.models.sources.hf import parse_coordinate
from secondbasket.models.sources.pypi import WheelFile

SHIPPED = load_catalogue()


@pytest.mark.parametrize("name", list(SHIPPED))
def test_every_shipped_entry_is_pinned_and_plausible(name: str) -> None:
    entry = SHIPPED[name]
    assert len(entry.sources) == len(entry.files)
    for source, (file, sha256) in zip(entry.sources, entry.files.items(), strict=True):
        assert re.fullmatch("[0-9a-f]{64}", sha256)
        scheme, _, coordinate = source.partition(":")
        if scheme == "hf":
            parsed = parse_coordinate(coordinate)
            assert re.fullmatch("[0-9a-f]{40}", parsed.revision), "a branch is not a pin"
            assert parsed.name == file
        else:
            wheel = WheelFile.parse(coordinate)
            assert wheel.sha256, "a version is not a pin"
            assert wheel.member.endswith(f"/{file}")
    assert 0 < entry.active_parameters <= entry.parameters
    assert 4 <= entry.size * 8 / entry.parameters <= 9, "bits per weight of a quantised model"
    if entry.task == "chat":
        assert entry.layers * entry.kv_heads * entry.head_size > 0
    assert entry.licence
    assert entry.context_tokens >= 512


def test_the_defaults_are_there_and_the_qwen_family_leads_the_rest() -> None:
    names = list(SHIPPED)
    assert names[:2] == ["smollm2-135m-instruct", "all-minilm-l6-v2"]
    assert names[2].startswith("qwen")
    assert sum(name.startswith("qwen") for name in names) >= 10


def test_licences_that_are_not_open_source_say_so() -> None:
    for name, entry in SHIPPED.items():
        if name.startswith("llama"):
            assert "Community License" in entry.licence
        if name.startswith("gemma-3"):
            assert entry.licence == "Gemma Terms of Use"


OWN = """
[[model]]
name = "house-model"
task = "chat"
format = "gguf"
sources = ["hf:acme/house/house.gguf@main"]
files = {}
size = 10
licence = "proprietary"
parameters = 1
active_parameters = 1
layers = 1
kv_heads = 1
head_size = 1
context_tokens = 512
description = "ours"
"""


def test_an_own_catalogue_adds_and_replaces(tmp_path: Path) -> None:
    own = tmp_path / "catalogue.toml"
    own.write_text(OWN + OWN.replace("house-model", "qwen3-4b"))
    entries = load_catalogue(own)
    assert entries["house-model"].source == "hf:acme/house/house.gguf@main"
    assert entries["qwen3-4b"].licence == "proprietary"
    assert len(entries) == len(SHIPPED) + 1


@pytest.mark.parametrize(
    "text",
    ["[[model]", OWN.replace("size =", "sise ="), OWN.replace("layers = 1", "layers = 'x'")],
)
def test_a_wrong_catalogue_is_named(tmp_path: Path, text: str) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(text)
    with pytest.raises(SettingsError, match=r"mine\.toml"):
        load_catalogue(own)


def test_a_missing_or_traversing_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_catalogue(tmp_path / "none.toml")
    own = tmp_path / "mine.toml"
    own.write_text(OWN.replace("house-model", "../up"))
    with pytest.raises(InvalidRequest):
        load_catalogue(own)
