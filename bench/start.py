"""How long until it answers, and what it weighs when nobody asks."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

from bench.processes import WORK, Basket, resident_mib, running, wait_for
from tools.locks import ROOT


class Result(msgspec.Struct, frozen=True):
    """Seconds from the command to readyz 200 and to the end of `--help`; memory in MiB.

    `cold` is with the model, the interpreter and the libraries not in the page cache.
    """

    cold_s: list[float]
    warm_s: list[float]
    help_s: list[float]
    gateway_mib: float
    engines_mib: dict[str, float]


def _forget(folders: list[Path]) -> None:
    """Ask the kernel to drop the files of `folders` from its page cache."""
    os.sync()
    for path in _files(folders):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _files(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file())


def _start(basket: Basket) -> float:
    with running(
        "start", basket.command("up", "--port", str(basket.port)), basket.environment
    ) as process:
        return wait_for(f"{basket.url}/readyz", process)


def _help(basket: Basket) -> float:
    begun = time.perf_counter()
    subprocess.run(basket.command("--help"), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def local_basket(**settings: str) -> Basket:
    """A home with the default models in its store; they are fetched once and kept."""
    basket = Basket(WORK / "local", '[log]\nlevel = "warning"\n', **settings)
    for model in ("smollm2-135m-instruct", "all-minilm-l6-v2"):
        basket.run("model", "pull", model)
    return basket


def run(*, rounds: int) -> Result:
    basket = local_basket()
    everything = [basket.home / "models", ROOT / ".venv" / "lib", ROOT / "src"]
    cold, warm = [], []
    for _ in range(rounds):
        _forget(everything)
        cold.append(_start(basket))
        warm.append(_start(basket))
    with basket.up() as process:
        time.sleep(2)  # what start-up allocated and let go is gone
        gateway = resident_mib(process)
        engines = {
            child.cmdline()[-1].rpartition(".")[2]: child.memory_info().rss / 2**20
            for child in psutil.Process(process.pid).children()
        }
    return Result(
        cold_s=cold,
        warm_s=warm,
        help_s=[_help(basket) for _ in range(rounds * 3)],
        gateway_mib=gateway,
        engines_mib=engines,
    )
