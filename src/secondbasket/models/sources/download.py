"""Weights over HTTP: resumed where a connection broke, hashed while they arrive."""

import hashlib
import os
import re
from pathlib import Path
from typing import BinaryIO, Protocol

import aiohttp
import anyio
import msgspec

from secondbasket.core.ports import PullProgress
from secondbasket.egress.door import Door
from secondbasket.errors import DigestMismatch, ModelNotFound, SourceUnavailable
from secondbasket.models.disk import RESERVE, disk_errors, require_room
from secondbasket.models.progress import Report

_BLOCK = 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_RANGE = re.compile(r"bytes (\d+)-")


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Promised(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub promises of a file: its bytes, and its sha256 or (small files) its git id."""

    size: int
    sha256: str = ""
    git_id: str = ""

    @property
    def digest(self) -> str:
        return self.sha256 or self.git_id

    def new_hash(self) -> _Hash:
        if self.sha256:
            return hashlib.sha256()
        header = b"blob %d\0" % self.size
        return hashlib.sha1(header, usedforsecurity=False)


class _Interrupted(Exception):
    """This attempt ended early; another may go on where it stopped."""


class _Part:
    """The unfinished file beside its target: what is there, and its hash so far."""

    def __init__(self, path: Path, promised: Promised) -> None:
        self._path = path
        self._promised = promised
        self._hash = promised.new_hash()
        self.received = 0
        self._file: BinaryIO = path.open("ab+")

    def take_up(self) -> None:
        """Read what an earlier attempt left."""
        self._file.seek(0)
        while block := self._file.read(_BLOCK):
            self._hash.update(block)
            self.received += len(block)
        if self.received > self._promised.size:
            self.restart()

    def restart(self) -> None:
        self._file.truncate(0)
        self._hash = self._promised.new_hash()
        self.received = 0

    def append(self, block: bytes) -> None:
        try:
            with disk_errors(self._path.parent):
                self._file.write(block)
                self._file.flush()
        except BaseException:
            # The rest of the house needs the disk as well: give the reserve back, keep
            # what came before it. What is on disk no longer matches the hash; a later
            # attempt reads it anew.
            os.truncate(self._path, max(0, self.received - RESERVE))
            raise
        self._hash.update(block)
        self.received += len(block)

    def finish(self, target: Path) -> None:
        """Check what arrived and give it its name. A mismatch leaves nothing behind."""
        found = self._hash.hexdigest()
        if found != self._promised.digest:
            self._path.unlink()
            raise DigestMismatch(
                f"{target.name} arrived with the digest {found}, "
                f"not {self._promised.digest} as promised.",
                hint="It was damaged or replaced on its way; pull again, and if it stays so, "
                "do not use this source.",
            )
        self._path.replace(target)

    def close(self) -> None:
        self._file.close()


async def download(
    door: Door,
    url: str,
    target: Path,
    promised: Promised,
    *,
    headers: dict[str, str],
    report: Report,
    attempts: int = 5,
    pause: float = 1.0,
) -> None:
    """Bring `url` to `target`, through the outbound door.

    `target` with `.part` appended holds what arrived so far, also after a
    kill -9; a second call goes on there. A broken connection or a busy server
    is tried again, `attempts` times in a row without a byte of progress, with
    pauses from `pause` seconds doubling. Raises SourceUnavailable,
    ModelNotFound, DigestMismatch, NotEnoughDisk, EgressRefused.
    """
    part = _Part(target.with_name(target.name + ".part"), promised)
    try:
        await anyio.to_thread.run_sync(part.take_up)
        missing = promised.size - part.received
        await anyio.to_thread.run_sync(require_room, target.parent, missing)
        failures = 0
        while part.received < promised.size:
            before = part.received
            try:
                await _receive(door, url, part, promised, headers, target.name, report)
            except (_Interrupted, aiohttp.ClientError, TimeoutError) as exc:
                failures = 0 if part.received > before else failures + 1
                if failures == attempts:
                    raise SourceUnavailable(
                        f"{target.name} could not be fetched: {str(exc) or type(exc).__name__}.",
                        hint=f"Check the network and pull again; {part.received / 1e6:,.0f} of "
                        f"{promised.size / 1e6:,.0f} MB are kept.",
                    ) from exc
                await anyio.sleep(pause * 2**failures)
        report(PullProgress(target.name, part.received, promised.size, "verifying"))
        await anyio.to_thread.run_sync(part.finish, target)
    finally:
        part.close()


async def _receive(
    door: Door,
    url: str,
    part: _Part,
    promised: Promised,
    headers: dict[str, str],
    name: str,
    report: Report,
) -> None:
    """One request for what is missing. Raises _Interrupted where another may do better."""
    asked = {**headers, "Accept-Encoding": "identity"}
    if part.received:
        asked["Range"] = f"bytes={part.received}-"
    session = door.session("model pull")
    async with session.get(url, headers=asked, timeout=_TIMEOUT) as response:
        _check_status(response.status, name)
        if response.status == 200:
            await anyio.to_thread.run_sync(part.restart)
        elif _first_byte(response.headers.get("Content-Range", "")) != part.received:
            await anyio.to_thread.run_sync(part.restart)
            raise _Interrupted("the server sent another part than it was asked for")
        async for block in response.content.iter_chunked(_BLOCK):
            if part.received + len(block) > promised.size:
                await anyio.to_thread.run_sync(part.restart)
                raise _Interrupted("the server sent more than it promised")
            await anyio.to_thread.run_sync(part.append, block)
            report(PullProgress(name, part.received, promised.size, "downloading"))
    if part.received < promised.size:
        raise _Interrupted("the server stopped before the end")


def _first_byte(content_range: str) -> int | None:
    found = _RANGE.match(content_range)
    return int(found[1]) if found else None


def _check_status(status: int, name: str) -> None:
    if status in (200, 206):
        return
    if status in _TRANSIENT or status == 416:
        raise _Interrupted(f"the server answered {status}")
    if status in (404, 410):
        raise ModelNotFound(f"The server no longer has {name} ({status}).")
    if status in (401, 403):
        raise SourceUnavailable(
            f"The server does not let us have {name} ({status}).",
            hint="Accept the model's licence on its page, and set a token that may read it.",
        )
    raise SourceUnavailable(f"The server answered {status} for {name}.")
