"""Which machine, which versions: a figure without them is worth nothing."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import msgspec
import psutil

from tools.locks import ROOT


class Machine(msgspec.Struct, frozen=True):
    """`memory_gib` is what is installed, `cores` what the operating system may schedule on."""

    processor: str
    cores: int
    memory_gib: int
    system: str
    python: str
    commit: str
    measured_at: str

    def __str__(self) -> str:
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gib} GiB, {self.system},"
            f" Python {self.python}, commit {self.commit}, {self.measured_at[:10]}"
        )


def describe(measured_at: str) -> Machine:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    release = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return Machine(
        processor=names[0] if names else platform.machine(),
        cores=len(psutil.Process().cpu_affinity()),
        memory_gib=round(psutil.virtual_memory().total / 2**30),
        system=release,
        python=platform.python_version(),
        commit=commit,
        measured_at=measured_at,
    )


def version(package: str) -> str:
    return metadata.version(package)
