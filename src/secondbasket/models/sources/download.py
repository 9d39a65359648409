"""Weights over HTTP: resumed where a connection broke, hashed while they arrive."""

import re
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import msgspec
from anyio import sleep
from anyio.to_thread import run_sync

from secondbasket.core.ports import PullProgress, Report
from secondbasket.egress.door import Door
from secondbasket.errors import DigestMismatch, ModelNotFound, SourceUnavailable
from secondbasket.models.disk import require_room
from secondbasket.models.sources.part import Part, Promised

_BLOCK = 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_TRANSIENT = frozenset((408, 416, 425, 429, 500, 502, 503, 504))
_RANGE = re.compile(r"bytes (\d+)-")


class Patience(msgspec.Struct, frozen=True):
    """How often in a row a request may bring nothing, and the seconds of the first pause."""

    attempts: int = 5
    pause: float = 1.0


_USUAL = Patience()


async def download(
    door: Door,
    url: str,
    target: Path,
    promised: Promised,
    *,
    headers: Mapping[str, str],
    report: Report,
    patience: Patience = _USUAL,
) -> None:
    """Bring `url` to `target`, through the outbound door.

    `target` with `.part` appended holds what has arrived, also after a kill
    -9; a second call goes on there. A broken connection or a busy server is
    asked again, at once after progress, with doubling pauses without. Raises
    SourceUnavailable, ModelNotFound, DigestMismatch, NotEnoughDisk,
    EgressRefused.
    """
    part = Part(target, promised)
    transfer = _Transfer(door, url, target.name, promised, part, headers, report)
    try:
        await run_sync(part.take_up)
        await run_sync(require_room, target.parent, promised.size - part.received)
        for _ in range(2 if part.received else 1):
            await transfer.complete(patience)
            if part.is_right():
                await run_sync(part.finish)
                return
            # What an earlier attempt left may be at fault: a second trial starts from nothing.
            await run_sync(part.restart)
        raise DigestMismatch(
            f"{target.name} did not arrive as promised: its digest is not {promised.digest}.",
            hint="It was damaged or replaced on its way. Pull again, and if it stays so, do not "
            "use this source.",
        )
    finally:
        part.close()


class _Interrupted(Exception):
    """A request ended early; another may go on where it stopped."""


class _Transfer:
    def __init__(
        self,
        door: Door,
        url: str,
        name: str,
        promised: Promised,
        part: Part,
        headers: Mapping[str, str],
        report: Report,
    ) -> None:
        self._door = door
        self._url = url
        self._name = name
        self._promised = promised
        self._part = part
        self._headers = headers
        self._report = report

    async def complete(self, patience: Patience) -> None:
        failures = 0
        while not self._part.is_complete():
            before = self._part.received
            try:
                await self._request()
            except (_Interrupted, aiohttp.ClientError, TimeoutError) as exc:
                failures = 0 if self._part.received > before else failures + 1
                if failures == patience.attempts:
                    raise self._given_up(str(exc) or type(exc).__name__) from exc
                await sleep(patience.pause * (2**failures - 1))

    async def _request(self) -> None:
        """Ask for what is missing. Raises _Interrupted where asking again may do better."""
        part = self._part
        asked = {**self._headers, "Accept-Encoding": "identity"}
        if part.received:
            asked["Range"] = f"bytes={part.received}-"
        session = self._door.session("model pull")
        async with session.get(self._url, headers=asked, timeout=_TIMEOUT) as response:
            _check_status(response.status, self._name)
            if response.status == 200:
                await run_sync(part.restart)
            elif _first_byte(response) != part.received:
                await run_sync(part.restart)
                raise _Interrupted("the server sent another part than it was asked for")
            async for block in response.content.iter_chunked(_BLOCK):
                if part.received + len(block) > self._promised.size:
                    await run_sync(part.restart)
                    raise _Interrupted("the server sent more than it promised")
                await run_sync(part.append, block)
                self._tell()
        if not part.is_complete():
            raise _Interrupted("the server stopped before the end")

    def _tell(self) -> None:
        self._report(
            PullProgress(self._name, self._part.received, self._promised.size, "downloading")
        )

    def _given_up(self, reason: str) -> SourceUnavailable:
        return SourceUnavailable(
            f"{self._name} could not be fetched: {reason}.",
            hint=f"Check the network and pull again; {self._part.received / 1e6:,.0f} of "
            f"{self._promised.size / 1e6:,.0f} MB are kept.",
        )


def _first_byte(response: aiohttp.ClientResponse) -> int | None:
    found = _RANGE.match(response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _check_status(status: int, name: str) -> None:
    if status in (200, 206):
        return
    if status in _TRANSIENT:
        raise _Interrupted(f"the server answered {status}")
    if status in (404, 410):
        raise ModelNotFound(f"The server no longer has {name} ({status}).")
    if status in (401, 403):
        raise SourceUnavailable(
            f"The server does not let us have {name} ({status}).",
            hint="Accept the model's licence on its page, and set a token that may read it.",
        )
    raise SourceUnavailable(f"The server answered {status} for {name}.")
