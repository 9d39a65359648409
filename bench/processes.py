"""Servers as child processes: started, waited for, weighed and ended."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import psutil

from tools.locks import ROOT

WORK = ROOT / "bench" / "scratch"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(
    name: str, command: list[str], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server for the length of the block; its words go to bench/scratch/NAME.log."""
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], *, seconds: float = 120) -> float:
    """Seconds until `url` answers 200, asked every 5 ms. Raises when the process ends first."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return time.perf_counter() - begun
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.005)
    raise RuntimeError(f"{url} was not ready within {seconds:.0f} s")


def resident_mib(process: subprocess.Popen[bytes]) -> float:
    """Resident memory of the process itself, its children left out, in MiB."""
    return float(psutil.Process(process.pid).memory_info().rss) / 2**20


class Basket:
    """A home and a `basket up` over it, for measuring."""

    def __init__(self, home: Path, configuration: str, **settings: str) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / "basket.toml").write_text(configuration)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {"SECONDBASKET_HOME": str(home), **settings}

    def command(self, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).with_name("basket")), *arguments]

    def run(self, *arguments: str) -> bytes:
        """Output of one `basket` command over this home. Raises when it fails."""
        return subprocess.run(
            self.command(*arguments),
            env={**os.environ, **self.environment},
            check=True,
            stdout=subprocess.PIPE,
        ).stdout

    def key(self) -> str:
        made = self.run("key", "create", "--name", "bench", "--budget", "1000000", "--json")
        return str(msgspec.json.decode(made)["key"])

    @contextlib.contextmanager
    def up(self) -> Iterator[subprocess.Popen[bytes]]:
        command = self.command("up", "--port", str(self.port))
        with running(f"basket-{self.home.name}", command, self.environment) as process:
            wait_for(f"{self.url}/readyz", process)
            yield process
