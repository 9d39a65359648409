"""Native code that could dial on its own is known, and why it does not is written down.

A library that asks the system for addresses imports `getaddrinfo` or the like,
and the name stands in its file: an update that brings one is seen here.
"""

import importlib.metadata
import mmap
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent.parent
_DIALS = re.compile(rb"getaddrinfo\0|gethostbyname(?:2?_r)?\0|\0connect\0")

DIALERS = {
    # libcurl in it, for weights named by URL; we name files, and start it without its web pages.
    "xllamacpp": "its server listens, and downloads only what an option of ours would name",
    # The vendor's telemetry: switched off before it is loaded, see cloud/engines/onnx.py.
    "onnxruntime": "ORT_DISABLE_TELEMETRY=1 in its child's environment",
    "uvloop": "the event loop itself; whoever asks it for a connection is read by test_one_door",
    "hf-xet": "huggingface_hub's own transport, which models/sources/hub.py switches off",
    "cryptography": "OpenSSL's own sockets, of which nothing here makes use",
    "psycopg-binary": "a database driver, a named exception",
    "duckdb": "its access to the outside is switched off before a file is opened, in a child",
    # Comes with the readers of documents, which run in a child that has no use for it.
    "pillow": "its XCB library reaches an X server for pictures of a screen; none is taken",
}


def _needed() -> set[str]:
    """The distributions that the product installs, by their normal names."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = document["project"]
    # What is wanted by another package and left out of our locks on purpose.
    found = {Requirement(each).name for each in document["tool"]["uv"]["override-dependencies"]}
    left_out = frozenset(found)
    waiting = [Requirement(each) for each in project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        waiting += [Requirement(each) for each in extra]
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found or (requirement.marker and not _holds(requirement)):
            continue
        found.add(name)
        wanted = importlib.metadata.requires(name) or []
        extras = requirement.extras
        for text in wanted:
            inner = Requirement(text)
            if inner.marker is None or any(
                inner.marker.evaluate({"extra": extra}) for extra in (*extras, "")
            ):
                inner.marker = None
                waiting.append(inner)
    return found - left_out


def _holds(requirement: Requirement) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": ""})


def _dials(path: Path) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _DIALS.search(content) is not None


@pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="reads the shared objects that Linux wheels bring"
)
def test_no_other_native_library_can_dial() -> None:
    found = set()
    for name in _needed():
        for file in importlib.metadata.files(name) or ():
            if ".so" in file.suffixes and _dials(Path(str(file.locate()))):
                found.add(name)
    assert found == set(DIALERS)
