"""What a receipt costs before the answer may end: one write, with and without the disk."""

import tempfile
import time
from pathlib import Path

import msgspec

from bench.gateway import basket_before, chat_body, mock_upstream
from bench.processes import WORK
from bench.wrk import Load, measure
from secondbasket.core.clock import now
from secondbasket.core.ids import new_id
from secondbasket.core.receipt import Receipt
from secondbasket.ledger.journal import Journal

MODES = {"process crash": False, "power loss (fsync)": True}


class Result(msgspec.Struct, frozen=True):
    """Microseconds of one append, and whole calls through the gateway at 16 connections."""

    append_us: dict[str, list[float]]
    gateway: dict[str, list[Load]]


def _receipt() -> Receipt:
    return Receipt(
        request_id=new_id("req"),
        created_at=now(),
        operation="chat",
        key_id=new_id("key"),
        key_name="bench",
        basket="smollm2-135m-instruct",
        upstream="local-smollm2-135m-instruct",
        model="smollm2-135m-instruct",
        digest=f"sha256:{'0' * 64}",
        engine="bench",
        chip="cpu-0",
        provider="self",
        law="local",
        outcome="completed",
        input_tokens=120,
        output_tokens=60,
        cached_input_tokens=0,
        cost=18_000,
        currency="USD",
        duration_ms=812.5,
    )


def _append_us(folder: Path, *, fsync: bool, count: int) -> float:
    journal = Journal(folder, fsync=fsync)
    receipts = [_receipt() for _ in range(count)]
    begun = time.perf_counter()
    for receipt in receipts:
        journal.append(receipt)
    spent = time.perf_counter() - begun
    journal.close()
    return spent / count * 1e6


def run(*, rounds: int, seconds: int) -> Result:
    append: dict[str, list[float]] = {name: [] for name in MODES}
    for _ in range(rounds):
        for name, fsync in MODES.items():
            WORK.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=WORK) as folder:
                append[name].append(_append_us(Path(folder), fsync=fsync, count=500))

    gateway: dict[str, list[Load]] = {name: [] for name in MODES}
    with mock_upstream() as mock:
        homes = {
            name: basket_before(mock, f"journal-{fsync}".lower(), fsync=fsync)
            for name, fsync in MODES.items()
        }
        plain, durable = homes.values()
        with plain.up(), durable.up():
            keys = {name: home.key() for name, home in homes.items()}
            for _ in range(rounds):
                for name, home in homes.items():
                    load = measure(
                        f"{home.url}/v1/chat/completions",
                        key=keys[name],
                        body=chat_body(stream=False),
                        connections=16,
                        seconds=seconds,
                    )
                    gateway[name].append(load)
    return Result(append_us=append, gateway=gateway)
