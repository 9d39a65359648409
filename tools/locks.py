"""Do the locks hold: complete, hashed, from no particular registry, installed, and enough?

Run as ``python -m tools.locks``. `make lock` writes the locks; this reads them.
"""

import re
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
# The programs that make an environment come with the interpreter, in whatever version it ships.
_BOOTSTRAP = {"setuptools", "wheel"}


class Pin:
    """One entry of a lock: its requirement (with its marker) and how many hashes it allows."""

    def __init__(self, text: str) -> None:
        line, *rest = text.replace("\\\n", "\n").split("\n")
        self.requirement = Requirement(line.strip())
        self.name = canonicalize_name(self.requirement.name)
        self.hashes = len(_HASH.findall("\n".join(rest)))

    @property
    def version(self) -> str:
        """The exact version, or '' where the entry does not pin one."""
        specifiers = list(self.requirement.specifier)
        exact = len(specifiers) == 1 and specifiers[0].operator == "=="
        return specifiers[0].version if exact else ""

    def applies(self) -> bool:
        """Is it meant for the Python and platform we run on?"""
        marker = self.requirement.marker
        return marker is None or marker.evaluate()


def read_lock(path: Path) -> list[Pin]:
    """The entries of a lock. Raises ValueError for a line that is no pinned requirement."""
    entries: list[str] = []
    for line in path.read_text().splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith("-"):
            raise ValueError(f"{path.name}: an option has no place in a lock: {line}")
        if line.startswith(" "):
            entries[-1] += "\n" + line
        else:
            entries.append(line)
    return [Pin(entry) for entry in entries]


def check_lock(path: Path, wanted: list[Requirement]) -> list[str]:
    """What is wrong with one lock: pins, hashes, sources, and requirements it does not meet."""
    problems = []
    if re.search(r"(https?|file)://", path.read_text()):
        problems.append(f"{path.name}: names an address; locks hold for any index")
    pins = read_lock(path)
    for pin in pins:
        if not pin.version:
            problems.append(f"{path.name}: {pin.requirement} is no exact version")
        if not pin.hashes:
            problems.append(f"{path.name}: {pin.name} has no hash")
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        versions = [pin.version for pin in pins if pin.name == name]
        if not any(requirement.specifier.contains(v, prereleases=True) for v in versions if v):
            problems.append(f"{path.name}: does not meet {requirement}; run `make lock`")
    return problems


def check_installed(pins: list[Pin]) -> list[str]:
    """What is installed here and not locked, or in another version."""
    locked = {pin.name: pin.version for pin in pins if pin.applies()}
    problems = []
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        if name in _BOOTSTRAP or name == "secondbasket":
            continue
        if name not in locked:
            problems.append(f"{name} {distribution.version} is installed but not locked")
        elif distribution.version != locked[name]:
            problems.append(f"{name} is {distribution.version}, locked is {locked[name]}")
    return problems


def check_needs(left_out: set[str]) -> list[str]:
    """What an installed package requires and does not get; `left_out` is missing on purpose."""
    installed = {
        canonicalize_name(each.metadata["Name"]): each.version for each in metadata.distributions()
    }
    problems = []
    for distribution in metadata.distributions():
        for line in distribution.requires or ():
            need = Requirement(line)
            name = canonicalize_name(need.name)
            if need.marker is not None and not need.marker.evaluate({"extra": ""}):
                continue
            version = installed.get(name)
            if version is None and name not in left_out:
                problems.append(f"{distribution.metadata['Name']} needs {need}, not installed")
            elif version is not None and not need.specifier.contains(version, prereleases=True):
                problems.append(f"{distribution.metadata['Name']} needs {need}, not {version}")
            elif version is not None and name in left_out:
                problems.append(f"{name} is installed, and is to be left out")
    return problems


def check_all() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    overrides = [Requirement(line) for line in project["tool"]["uv"]["override-dependencies"]]
    run = [Requirement(line) for line in project["project"]["dependencies"]]
    extras = {
        name: [Requirement(line) for line in lines]
        for name, lines in project["project"]["optional-dependencies"].items()
    }
    groups = {
        name: [Requirement(line) for line in lines]
        for name, lines in project["dependency-groups"].items()
    }
    locks = ROOT / "requirements"
    return [
        *check_lock(locks / "build.txt", groups["build"]),
        *check_lock(locks / "run.txt", run),
        *(
            problem
            for name, needed in extras.items()
            for problem in check_lock(locks / f"{name}.txt", run + needed)
        ),
        *check_lock(
            locks / "dev.txt",
            [*run, *chain(*extras.values()), *groups["dev"], *groups["build"]],
        ),
        *check_lock(
            locks / "litellm.txt",
            [Requirement(line) for line in (locks / "litellm.in").read_text().split("\n") if line],
        ),
        *check_installed(read_lock(locks / "dev.txt")),
        *check_needs({canonicalize_name(override.name) for override in overrides}),
    ]


if __name__ == "__main__":
    if found := check_all():
        sys.exit("\n".join(found))
