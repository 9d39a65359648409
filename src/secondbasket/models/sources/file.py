"""``file:`` brings weights that already lie on this machine.

They are copied, not linked: whoever owns the original may still change it, and
a file in the store must stay what its name says.
"""

from pathlib import Path

import anyio

from secondbasket.core.ports import Fetched, FetchedFile, ModelSource, PullProgress, Report
from secondbasket.errors import SourceUnavailable
from secondbasket.models.disk import disk_errors, require_room
from secondbasket.models.progress import from_worker
from secondbasket.models.sources.options import SourceOptions

_BLOCK = 8 * 1024 * 1024


class FileSource:
    """``file:PATH``: one file, or a folder whose files make up one model."""

    scheme = "file"

    async def fetch(self, coordinate: str, into: Path, report: Report) -> Fetched:
        return await anyio.to_thread.run_sync(_fetch, Path(coordinate), into, from_worker(report))


def _fetch(place: Path, into: Path, report: Report) -> Fetched:
    place = place.expanduser().absolute()
    originals = _files_of(place)
    require_room(into, sum(path.stat().st_size for path in originals))
    for original in originals:
        _copy(original, into / original.name, report)
    return Fetched(
        files=tuple(FetchedFile(name=path.name, path=into / path.name) for path in originals),
        provenance={"path": str(place)},
    )


def _files_of(place: Path) -> list[Path]:
    if place.is_dir():
        found = sorted(path for path in place.iterdir() if path.is_file())
    else:
        found = [place] if place.is_file() else []
    if not found:
        raise SourceUnavailable(
            f"There is no file at {place}.",
            hint="Give the path of a GGUF file, or of a folder that holds a model's files.",
        )
    return found


def _copy(original: Path, target: Path, report: Report) -> None:
    total = original.stat().st_size
    received = 0
    try:
        with disk_errors(target.parent), original.open("rb") as source, target.open("wb") as copy:
            while block := source.read(_BLOCK):
                copy.write(block)
                received += len(block)
                report(PullProgress(original.name, received, total, "downloading"))
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def create(options: SourceOptions) -> ModelSource:  # noqa: ARG001 — every factory takes them
    return FileSource()
