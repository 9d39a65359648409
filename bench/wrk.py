"""Load from wrk: one body, a fixed number of connections, a fixed time."""

import os
import subprocess
from pathlib import Path

import msgspec

_SCRIPT = Path(__file__).with_name("load.lua")


class Load(msgspec.Struct, frozen=True):
    """What one turn gave: requests a second, latencies in milliseconds, failures counted."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


class _Told(msgspec.Struct):
    requests: int
    duration: int
    p50: int
    p99: int
    failed: int


def measure(
    url: str, *, key: str, body: bytes, connections: int, seconds: int, warm: bool = True
) -> Load:
    """Ask `url` for `seconds`; `warm` throws a first second away. Raises when a call failed."""
    if warm:
        _run(url, key, body, connections, 1)
    told = _run(url, key, body, connections, seconds)
    if told.failed or not told.requests:
        raise RuntimeError(f"{told.failed} of {told.requests} calls to {url} failed")
    return Load(
        per_second=told.requests / told.duration * 1e6,
        p50_ms=told.p50 / 1000,
        p99_ms=told.p99 / 1000,
        failed=told.failed,
    )


def _run(url: str, key: str, body: bytes, connections: int, seconds: int) -> _Told:
    made = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(connections)),
            *("--duration", f"{seconds}s", "--timeout", "60s", "--script", str(_SCRIPT), url),
        ],
        env={**os.environ, "BENCH_KEY": key, "BENCH_BODY": body.decode()},
        capture_output=True,
        text=True,
        check=True,
    )
    return msgspec.json.decode(made.stdout.splitlines()[-1], type=_Told)
