"""One of two upstreams dies, or stands still, under load: what do the callers notice?

Two mock upstreams as processes of their own behind one name. For the kill the first is ended with
SIGKILL while 64 calls are under way; for the stall it takes requests and answers nothing. What a
switch took is read from the receipts: from when the failing upstream was asked, or died where that
was later, to when the next one was asked. A connection that was asked for after its death was
refused, and is counted by itself.
"""

import asyncio
import contextlib
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime

import aiohttp
import msgspec

from bench.gateway import chat_body
from bench.processes import WORK, Basket, free_port, running, wait_for

REQUESTS = 1000
IN_FLIGHT = 64
STALL_SECONDS = 0.5
_KILL_AFTER = 300

_CONFIGURATION = """\
[models]
default_chat = "mock"
default_embedding = ""

[log]
level = "error"

[egress]
allow = ["127.0.0.1:{first}", "127.0.0.1:{second}"]

[providers.first]
base_url = "http://127.0.0.1:{first}/v1"
law = "US"

[providers.second]
base_url = "http://127.0.0.1:{second}/v1"
law = "FR"

[upstreams.first]
provider = "first"
model = "mock"
context_tokens = 8192
price_input_per_million = "0.05"
price_output_per_million = "0.20"

[upstreams.second]
provider = "second"
model = "mock"
context_tokens = 8192
price_input_per_million = "0.10"
price_output_per_million = "0.40"

[baskets.mock]
upstreams = ["first", "second"]
first_token_seconds = {first_token_seconds}
"""


class Outcome(msgspec.Struct, frozen=True):
    """One run: calls that failed, those that switched, and what a switch took in milliseconds.

    `refused` of them met a refused connection, and None where there was none.
    """

    requests: int
    failed: int
    switched: int
    continued: int
    switch_ms_p50: float
    switch_ms_p95: float
    slowest_ms: float
    refused: int = 0
    refused_ms_p95: float | None = None


class Result(msgspec.Struct, frozen=True):
    """By mode, 'plain' and 'stream': each a list of runs."""

    killed: dict[str, list[Outcome]]
    stalled: dict[str, list[Outcome]]


class _Hop(msgspec.Struct):
    upstream: str
    started_ms: float
    output_tokens: int
    error: str | None = None


class _Row(msgspec.Struct):
    created_at: datetime
    duration_ms: float
    hops: list[_Hop] = []


def _mock(
    name: str, port: int, *options: str
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "bench.mock_upstream", str(port), *options]
    return running(name, command)


@contextlib.contextmanager
def _house(
    name: str, *, first_token_seconds: float, stalls: bool = False
) -> Iterator[tuple[Basket, subprocess.Popen[bytes]]]:
    """A running gateway before two mocks, and the first mock's process."""
    first, second = free_port(), free_port()
    basket = Basket(
        WORK / name,
        _CONFIGURATION.format(first=first, second=second, first_token_seconds=first_token_seconds),
    )
    with (
        _mock(f"{name}-first", first, *(["--stall"] if stalls else [])) as dying,
        _mock(f"{name}-second", second) as standing,
    ):
        wait_for(f"http://127.0.0.1:{second}", standing)
        with basket.up():
            yield basket, dying


async def _load(
    basket: Basket, key: str, *, stream: bool, requests: int, kill: object
) -> tuple[int, float]:
    """The calls that failed, and when `kill`, the process to end on the way, was ended: seconds
    since the epoch, 0 where it is None."""
    body, headers = chat_body(stream=stream), {"Authorization": f"Bearer {key}"}
    failed = begun = 0
    killed_at = 0.0
    url = f"{basket.url}/v1/chat/completions"

    async def caller(session: aiohttp.ClientSession) -> None:
        nonlocal failed, begun, killed_at
        while begun < requests:
            begun += 1
            if begun == _KILL_AFTER and isinstance(kill, subprocess.Popen):
                kill.send_signal(signal.SIGKILL)
                killed_at = time.time()
            try:
                async with session.post(url, data=body, headers=headers) as answer:
                    text = await answer.read()
                    whole = b"[DONE]" in text if stream else b'"finish_reason":"stop"' in text
                    failed += answer.status != 200 or not whole
            except aiohttp.ClientError:
                failed += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(caller(session) for _ in range(IN_FLIGHT)))
    return failed, killed_at


def _outcome(basket: Basket, failed: int, requests: int, killed_at: float) -> Outcome:
    rows = msgspec.json.decode(
        basket.run("usage", "--rows", str(requests), "--json"), type=list[_Row]
    )
    switched = [row for row in rows if len(row.hops) > 1]
    times = [_took(row, killed_at) for row in switched] or [0.0]
    refused = [_took(row, killed_at) for row in switched if 0 < killed_at < _asked_at(row)]
    return Outcome(
        requests=requests,
        failed=failed,
        switched=len(switched),
        continued=sum(row.hops[0].output_tokens > 0 for row in switched),
        switch_ms_p50=statistics.median(times),
        switch_ms_p95=_p95(times),
        slowest_ms=max(row.duration_ms for row in rows),
        refused=len(refused),
        refused_ms_p95=_p95(refused) if refused else None,
    )


def _asked_at(row: _Row) -> float:
    return row.created_at.timestamp() + row.hops[0].started_ms / 1000


def _took(row: _Row, killed_at: float) -> float:
    """In milliseconds; the receipts' clock counts in whole ones."""
    next_at = row.created_at.timestamp() + row.hops[1].started_ms / 1000
    return max(0.0, 1000 * (next_at - max(killed_at, _asked_at(row))))


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[18] if len(times) > 1 else times[0]


def _killed(stream: bool) -> Outcome:
    with _house("failover-kill", first_token_seconds=30) as (basket, dying):
        key = basket.key()
        failed, killed_at = asyncio.run(
            _load(basket, key, stream=stream, requests=REQUESTS, kill=dying)
        )
        return _outcome(basket, failed, REQUESTS, killed_at)


def _stalled(stream: bool) -> Outcome:
    requests = IN_FLIGHT * 2
    with _house("failover-stall", first_token_seconds=STALL_SECONDS, stalls=True) as (basket, _):
        key = basket.key()
        failed, killed_at = asyncio.run(
            _load(basket, key, stream=stream, requests=requests, kill=None)
        )
        return _outcome(basket, failed, requests, killed_at)


def run(*, rounds: int) -> Result:
    modes = {"plain": False, "stream": True}
    result = Result({mode: [] for mode in modes}, {mode: [] for mode in modes})
    for _ in range(rounds):
        for mode, stream in modes.items():
            result.killed[mode].append(_killed(stream))
            time.sleep(0.5)
            result.stalled[mode].append(_stalled(stream))
    return result
