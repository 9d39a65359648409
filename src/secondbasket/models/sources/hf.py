"""``hf:`` brings one file of a Hugging Face repository.

    hf:OWNER/REPOSITORY/PATH/OF/FILE[@REVISION]

The revision (a branch, a tag, a commit; 'main' by default) is resolved to its
commit first, and that commit is what is fetched and written down.
"""

import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec

from secondbasket.core.ports import Fetched, FetchedFile, ModelSource, PullProgress, Report
from secondbasket.egress.door import Door
from secondbasket.errors import InvalidRequest
from secondbasket.models.sources.download import download
from secondbasket.models.sources.options import SourceOptions

if TYPE_CHECKING:
    from secondbasket.models.sources.hub import Hub

_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_COORDINATE = re.compile(
    rf"(?P<repository>{_WORD}/{_WORD})"
    rf"/(?P<path>(?:{_WORD}/)*(?P<name>{_WORD}))"
    r"(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]*))?"
)


class HubCoordinate(msgspec.Struct, frozen=True):
    """A parsed coordinate. `path` is the file's in the repository, `name` its last part."""

    repository: str
    path: str
    name: str
    revision: str


def parse_coordinate(coordinate: str) -> HubCoordinate:
    """Raises InvalidRequest."""
    found = _COORDINATE.fullmatch(coordinate)
    if found is None:
        raise InvalidRequest(
            f"'hf:{coordinate}' is not a coordinate.",
            hint="Write hf:OWNER/REPOSITORY/FILE, with @REVISION to pin it.",
        )
    return HubCoordinate(
        found["repository"], found["path"], found["name"], found["revision"] or "main"
    )


class HubSource:
    """Metadata from `hub`, bytes through `door`."""

    scheme = "hf"

    def __init__(self, hub: Callable[[], "Hub"], door: Door) -> None:
        self._make_hub = hub
        self._door = door

    @cached_property
    def _hub(self) -> "Hub":
        return self._make_hub()

    async def fetch(self, coordinate: str, into: Path, report: Report) -> Fetched:
        wanted = parse_coordinate(coordinate)
        name = wanted.name
        report(PullProgress(name, 0, None, "resolving"))
        file = await anyio.to_thread.run_sync(
            self._hub.describe, wanted.repository, wanted.path, wanted.revision
        )
        await download(
            self._door,
            file.url,
            into / name,
            file.promised,
            headers=self._hub.headers(),
            report=report,
        )
        return Fetched(
            files=(FetchedFile(name=name, path=into / name),),
            provenance={
                "repository": wanted.repository,
                "revision": wanted.revision,
                "commit": file.commit,
                "file": wanted.path,
            },
            licence=file.licence,
        )


def create(options: SourceOptions) -> ModelSource:
    def hub() -> "Hub":
        # huggingface_hub costs a tenth of a second and 8 MB: not before somebody pulls from it.
        from secondbasket.egress.httpx_client import httpx_client  # noqa: PLC0415 - see above
        from secondbasket.models.sources.hub import Hub  # noqa: PLC0415 - see above

        return Hub(
            endpoint=options.hub_endpoint,
            token=options.hub_token,
            client_factory=lambda: httpx_client(options.door, "model pull"),
        )

    return HubSource(hub, options.door)
