"""What the documents claim in code holds against the code."""

from pathlib import Path

import pytest

from secondbasket.core.ports import ChipProbe
from secondbasket.settings import read_settings
from tools.documents import Block, blocks, documents

_BLOCKS = [block for path in documents() for block in blocks(path)]
_SETTINGS = [block for block in _BLOCKS if "settings" in block.marks]
_PROBES = [block for block in _BLOCKS if block.language == "python" and "Probe" in block.text]


@pytest.mark.parametrize("block", _SETTINGS, ids=lambda block: block.place)
def test_configuration_in_the_documents_is_accepted(block: Block, tmp_path: Path) -> None:
    (tmp_path / "basket.toml").write_text(block.text)
    loaded = read_settings(tmp_path, {})
    assert loaded.origins


def test_the_documents_show_configuration_and_a_plug_in() -> None:
    assert len(_SETTINGS) >= 5
    assert len(_PROBES) == 1


@pytest.mark.parametrize("block", _PROBES, ids=lambda block: block.place)
def test_the_plug_in_of_the_documents_finds_its_chip(block: Block) -> None:
    module: dict[str, object] = {}
    exec(block.text, module)
    create = module["create"]
    assert callable(create)
    probe: ChipProbe = create()
    (chip,) = probe.probe(measure=True)
    assert chip.id == "example-0"
    assert chip.read_bandwidth
