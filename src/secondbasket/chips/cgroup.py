"""What Linux control groups leave a process: memory and processor time, versions 1 and 2.

Source: the kernel's admin-guide, cgroup-v1/memory and cgroup-v2. A limit of
any ancestor holds too, so every level up to the mount point is asked.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_PROCESS = Path("/proc/self")
# Version 1 writes 'no limit' as the largest multiple of a page in 63 bits.
_NO_LIMIT = 1 << 60


class MemoryLimit(NamedTuple):
    """Bytes a level allows, and of those what can still be had without swapping."""

    total: int
    free: int


def memory_limits(process: Path = _PROCESS) -> list[MemoryLimit]:
    """One for each level that has a limit, innermost first; [] without control groups."""
    limits = []
    for version, level in _levels("memory", process):
        if version == 1:
            total = _number(level / "memory.limit_in_bytes")
            used = _number(level / "memory.usage_in_bytes")
            reclaimable = _statistic(level / "memory.stat", "total_inactive_file")
        else:
            ceilings = [_number(level / name) for name in ("memory.max", "memory.high")]
            total = min((ceiling for ceiling in ceilings if ceiling is not None), default=None)
            used = _number(level / "memory.current")
            reclaimable = _statistic(level / "memory.stat", "inactive_file")
        if total is not None and used is not None and total < _NO_LIMIT:
            # File pages that nobody touched of late are given up before anything is refused.
            limits.append(MemoryLimit(total, min(total, max(0, total - used + reclaimable))))
    return limits


def cpu_quota(process: Path = _PROCESS) -> float | None:
    """Processors' worth of time the tightest level allows; None without a quota."""
    quotas = []
    for version, level in _levels("cpu", process):
        if version == 1:
            quota = _number(level / "cpu.cfs_quota_us")
            period = _number(level / "cpu.cfs_period_us")
        else:
            words = [*_read(level / "cpu.max").split(), "", ""]
            quota, period = _as_number(words[0]), _as_number(words[1])
        if quota is not None and quota > 0 and period:
            quotas.append(quota / period)
    return min(quotas, default=None)


def _levels(controller: str, process: Path) -> Iterator[tuple[int, Path]]:
    """The cgroup version and folder of each level that governs `controller`, innermost first."""
    memberships = {}
    for line in _read(process / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):  # the line of version 2 names none
            memberships[name] = path
    version, name = (1, controller) if controller in memberships else (2, "")
    for line in _read(process / "mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if (kind, version) == ("cgroup2", 2) or (kind == "cgroup" and name in options.split(",")):
            below = _below(root, memberships.get(name, "/"))
            for level in (below, *below.parents):
                yield version, Path(mount, level)
            return


def _below(root: str, path: str) -> PurePosixPath:
    """Where `path` lies under a mount that shows the hierarchy from `root` on."""
    group = PurePosixPath(path)
    if ".." in group.parts or not group.is_relative_to(root):
        return PurePosixPath()  # a namespace that does not show where we are: its top holds for us
    return group.relative_to(root)


def _read(path: Path) -> str:
    """The text of a kernel file, '' where it is absent or closed to us."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _as_number(text: str) -> int | None:
    return int(text) if text.lstrip("-").isdigit() else None


def _number(path: Path) -> int | None:
    return _as_number(_read(path).strip())


def _statistic(path: Path, name: str) -> int:
    for line in _read(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
