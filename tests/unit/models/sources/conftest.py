"""A hub with a file worth fetching, and the product's own door to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from secondbasket.core.ports import ModelSource, PullProgress
from secondbasket.egress.door import Door
from secondbasket.models.sources.hf import create
from secondbasket.models.sources.options import SourceOptions
from secondbasket.policy.destinations import DestinationRules, destination_of
from tests.hub import HubServer, serving

CONTENT = bytes(range(256)) * 16 * 1024  # 4 MiB


@pytest.fixture
async def hub() -> AsyncIterator[HubServer]:
    files = {"tiny.gguf": CONTENT, "onnx/config.json": b"{}"}
    async with serving(HubServer(files, small=frozenset({"onnx/config.json"}))) as running:
        yield running


@pytest.fixture
async def door(hub: HubServer) -> AsyncIterator[Door]:
    inside = [destination_of(URL(place)) for place in (hub.endpoint, hub.network)]
    opened = Door(DestinationRules(inside), lambda decision: None)
    yield opened
    await opened.aclose()


@pytest.fixture
def source(hub: HubServer, door: Door) -> ModelSource:
    return create(SourceOptions(door=door, hub_endpoint=hub.endpoint, hub_token="hf_secret"))


@pytest.fixture
def told() -> list[PullProgress]:
    return []


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
