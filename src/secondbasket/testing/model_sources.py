"""What every model source must do: subclass `ModelSourceContract` where pytest collects it.

Needs pytest with anyio's plug-in.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import anyio
import msgspec
import pytest

from secondbasket.core.ports import Fetched, ModelSource, PullProgress
from secondbasket.errors import InvalidRequest, ModelNotFound, SourceUnavailable
from secondbasket.models.progress import silent
from secondbasket.models.store import sha256_of

_ENDS_WITHIN = 5


class SourceCase(msgspec.Struct, frozen=True, kw_only=True):
    """One source with a coordinate (without its scheme) of at least 8 MiB.

    `files` maps each file it brings to its sha256; `absent` are coordinates
    that lead nowhere.
    """

    source: ModelSource
    coordinate: str
    files: Mapping[str, str]
    absent: tuple[str, ...]


def sums(fetched: Fetched) -> dict[str, str]:
    """The sha256 of each file by its name."""
    return {file.name: sha256_of(file.path) for file in fetched.files}


class ModelSourceContract:
    """Override `case`."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def case(self) -> SourceCase:
        raise NotImplementedError

    @pytest.fixture
    def into(self, tmp_path: Path) -> Path:
        folder = tmp_path / "into"
        folder.mkdir()
        return folder

    async def test_it_brings_what_it_promises_into_the_folder(
        self, case: SourceCase, into: Path
    ) -> None:
        told: list[PullProgress] = []
        fetched = await case.source.fetch(case.coordinate, into, told.append)
        for file in fetched.files:
            assert PurePosixPath(file.name).name == file.name, "a name, not a path"
            assert file.path.is_relative_to(into)
        assert sums(fetched) == case.files
        assert fetched.provenance
        assert all(isinstance(value, str) for value in fetched.provenance.values())
        assert told, "a pull that says nothing looks like one that hangs"
        for progress in told:
            assert progress.total is None or 0 <= progress.received <= progress.total

    async def test_a_second_fetch_into_the_same_folder_ends_the_same(
        self, case: SourceCase, into: Path
    ) -> None:
        await case.source.fetch(case.coordinate, into, silent)
        fetched = await case.source.fetch(case.coordinate, into, silent)
        assert sums(fetched) == case.files

    async def test_what_leads_nowhere_is_an_error_of_ours(
        self, case: SourceCase, into: Path
    ) -> None:
        for coordinate in case.absent:
            with pytest.raises((ModelNotFound, SourceUnavailable, InvalidRequest)) as caught:
                await case.source.fetch(coordinate, into, silent)
            assert caught.value.hint, "it says what to do"

    async def test_a_cancelled_fetch_ends_and_the_next_one_succeeds(
        self, case: SourceCase, into: Path
    ) -> None:
        with anyio.fail_after(_ENDS_WITHIN), anyio.CancelScope() as scope:
            await case.source.fetch(case.coordinate, into, lambda _: scope.cancel())
        assert scope.cancelled_caught
        fetched = await case.source.fetch(case.coordinate, into, silent)
        assert sums(fetched) == case.files
