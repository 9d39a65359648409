"""The real product as a child process: `basket up` on a home, until it is told to stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASKET = str(Path(sys.executable).with_name("basket"))
_READY_SECONDS = 120.0
_STOP_SECONDS = 40.0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Running:
    """A server that is ready. `url` has no slash at its end; `log` is its standard error."""

    home: Path
    url: str
    port: int
    key: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def basket(self, *arguments: str) -> Any:
        """What a command prints as JSON; it acts through this server."""
        return basket(self.home, *arguments, "--json")


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This process's environment with `home` and `settings` and no other of the product's.

    The second engine is left out where `settings` do not name it: most tests have no use for
    what its load costs.
    """
    kept = {name: value for name, value in os.environ.items() if "SECONDBASKET" not in name}
    usual = {"SECONDBASKET_HOME": str(home), "SECONDBASKET_ENGINE_SECOND": ""}
    return kept | usual | settings


def basket(home: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [BASKET, *arguments], env=environment(home), capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@contextmanager
def running(
    home: Path,
    *,
    settings: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Iterator[Running]:
    """`basket up` on `home`, ready; stopped by SIGTERM at the end, which must end it cleanly.

    `settings` are environment variables; `under` is a command that runs it, such as strace;
    `options` are more options of `basket up`.
    """
    port = free_port()
    log = home / "test-server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*under, BASKET, "up", "--port", str(port), *options],
            env=environment(home, **(settings or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, log)
        key = basket(home, "key", "create", "--name", "tests", "--json")["key"]
        yield Running(home, url, port, key, process, log)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(_STOP_SECONDS) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, f"the server ended:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"not ready in time:\n{log.read_text()}"
            time.sleep(0.05)
