"""Load for a long time, then the account: is anything lost, counted twice, or never let go?

``python -m bench.soak --seconds 600``: streams read to their end and streams left in the middle,
over one mock upstream. Ends with 1 when the ledger and the clients disagree on the number of
calls, or when memory or open files grew after the first tenth of the time.
"""

import argparse
import sys
import threading
import time

import msgspec
import psutil

from bench.gateway import basket_before, chat_body, mock_upstream
from bench.processes import Basket
from bench.stream import Connection

CLIENTS = 8
GROWTH_MIB = 16.0
GROWTH_FILES = 8


class Clients:
    """`calls` counts every request that was begun to be answered."""

    def __init__(self, url: str, key: str, until: float) -> None:
        self._url, self._key, self._until = url, key, until
        self._lock = threading.Lock()
        self.calls = 0
        self.failures: list[str] = []

    def run(self, number: int) -> None:
        body = chat_body(stream=True)
        turn = number
        while time.monotonic() < self._until:
            connection = Connection(self._url, self._key)
            try:
                for _ in range(20):
                    connection.ask(body)
                    self._count()
                turn += 1
                if turn % 2:
                    connection.leave(body)
                    self._count()
            except (OSError, RuntimeError) as exc:
                self.failures.append(str(exc))
                return
            finally:
                connection.close()

    def _count(self) -> None:
        with self._lock:
            self.calls += 1


class Weight(msgspec.Struct, frozen=True):
    """What the gateway's process holds: resident memory in MiB, open files."""

    mib: float
    files: int


def _weigh(process: psutil.Process) -> Weight:
    return Weight(process.memory_info().rss / 2**20, process.num_fds())


def _counted(basket: Basket) -> int:
    return sum(int(row["calls"]) for row in msgspec.json.decode(basket.run("usage", "--json")))


def soak(seconds: float) -> list[str]:
    """What went wrong, in words; [] when nothing did."""
    with mock_upstream() as mock:
        basket = basket_before(mock, "soak")
        with basket.up() as process:
            key, before = basket.key(), _counted(basket)
            gateway = psutil.Process(process.pid)
            clients = Clients(f"{basket.url}/v1/chat/completions", key, time.monotonic() + seconds)
            threads = [
                threading.Thread(target=clients.run, args=(number,)) for number in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            threads[0].join(seconds / 10)
            early = _weigh(gateway)
            for thread in threads:
                thread.join()
            late = _weigh(gateway)
            counted = _counted(basket) - before
    print(
        f"{clients.calls:,} calls in {seconds:.0f} s;"
        f" resident {early.mib:.1f} → {late.mib:.1f} MiB, open files {early.files} → {late.files}"
    )
    problems = [f"a call failed: {failure}" for failure in clients.failures]
    if counted != clients.calls:
        problems.append(f"the ledger counts {counted:,} calls, the clients {clients.calls:,}")
    if late.mib - early.mib > GROWTH_MIB:
        problems.append(f"memory grew by {late.mib - early.mib:.1f} MiB")
    if late.files - early.files > GROWTH_FILES:
        problems.append(f"open files grew by {late.files - early.files}")
    return problems


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    if wrong := soak(parser.parse_args().seconds):
        sys.exit("\n".join(wrong))
