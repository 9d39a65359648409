"""Control groups of both versions, as files laid out the way the kernel shows them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from secondbasket.chips.cgroup import MemoryLimit, cpu_quota, memory_limits

MIB = 1 << 20
V1_NO_LIMIT = 9223372036854771712


def lay(root: Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


def v2(tmp_path: Path, membership: str, files: dict[str, object], root: str = "/") -> Path:
    """A /proc/self of a process in `membership`; `files` lie below the mount point."""
    process, mount = tmp_path / "proc", tmp_path / "sys"
    lay(process, {"cgroup": f"0::{membership}"})
    lay(
        process,
        {
            "mountinfo": "24 1 0:22 / /proc rw,nosuid shared:5 - proc proc rw\n"
            f"30 23 0:26 {root} {mount} rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate"
        },
    )
    lay(mount, files)
    return process


def v1(tmp_path: Path, membership: str, files: dict[str, object], root: str = "/") -> Path:
    process, mount = tmp_path / "proc", tmp_path / "sys"
    lines = [f"7:memory:{membership}", f"6:cpuacct,cpu:{membership}", "0::/"]
    mounts = [
        f"35 31 0:32 {root} {mount}/memory rw - cgroup cgroup rw,memory",
        f"36 31 0:33 {root} {mount}/cpu rw - cgroup cgroup rw,cpu,cpuacct",
        f"41 31 0:38 / {mount}/unified rw - cgroup2 cgroup2 rw",
    ]
    lay(process, {"cgroup": "\n".join(lines), "mountinfo": "\n".join(mounts)})
    lay(mount, files)
    return process


def test_version_2_every_ancestor_holds_too(tmp_path: Path) -> None:
    process = v2(
        tmp_path,
        "/user.slice/app.scope",
        {
            "user.slice/app.scope/memory.max": "max",
            "user.slice/app.scope/memory.high": 300 * MIB,
            "user.slice/app.scope/memory.current": 100 * MIB,
            "user.slice/app.scope/memory.stat": f"anon 1\ninactive_file {20 * MIB}\nactive_file 1",
            "user.slice/app.scope/cpu.max": "max 100000",
            "user.slice/memory.max": 1000 * MIB,
            "user.slice/memory.high": "max",
            "user.slice/memory.current": 950 * MIB,
            "user.slice/memory.stat": "inactive_file 0",
            "user.slice/cpu.max": "150000 100000",
        },
    )
    assert memory_limits(process) == [
        MemoryLimit(300 * MIB, 220 * MIB),
        MemoryLimit(1000 * MIB, 50 * MIB),
    ]
    assert cpu_quota(process) == 1.5


def test_version_2_without_limits(tmp_path: Path) -> None:
    process = v2(tmp_path, "/", {"memory.max": "max", "memory.current": 5, "cpu.max": "max 100000"})
    assert memory_limits(process) == []
    assert cpu_quota(process) is None


def test_version_1_in_a_hybrid_hierarchy(tmp_path: Path) -> None:
    process = v1(
        tmp_path,
        "/jobs/one",
        {
            "memory/jobs/one/memory.limit_in_bytes": V1_NO_LIMIT,
            "memory/jobs/one/memory.usage_in_bytes": 10 * MIB,
            "memory/jobs/memory.limit_in_bytes": 512 * MIB,
            "memory/jobs/memory.usage_in_bytes": 500 * MIB,
            "memory/jobs/memory.stat": f"inactive_file 1\ntotal_inactive_file {100 * MIB}",
            "cpu/jobs/one/cpu.cfs_quota_us": -1,
            "cpu/jobs/one/cpu.cfs_period_us": 100_000,
            "cpu/jobs/cpu.cfs_quota_us": 250_000,
            "cpu/jobs/cpu.cfs_period_us": 100_000,
        },
    )
    assert memory_limits(process) == [MemoryLimit(512 * MIB, 112 * MIB)]
    assert cpu_quota(process) == 2.5


@pytest.mark.parametrize(
    ("root", "membership"),
    [
        ("/docker/abc", "/docker/abc"),  # the container's own group is the mount's top
        ("/", "/"),  # a cgroup namespace
        ("/", "/../../elsewhere"),  # a namespace entered from outside
        ("/docker/abc", "/docker/other"),
    ],
)
@pytest.mark.parametrize("version", [v1, v2])
def test_containers_see_their_group_at_the_top(
    tmp_path: Path,
    version: Callable[..., Path],
    root: str,
    membership: str,
) -> None:
    process = version(
        tmp_path,
        membership,
        {
            "memory.max": 100 * MIB,
            "memory.current": 40 * MIB,
            "memory/memory.limit_in_bytes": 100 * MIB,
            "memory/memory.usage_in_bytes": 40 * MIB,
        },
        root,
    )
    assert memory_limits(process) == [MemoryLimit(100 * MIB, 60 * MIB)]


def test_usage_above_the_limit_leaves_nothing(tmp_path: Path) -> None:
    process = v2(tmp_path, "/", {"memory.max": MIB, "memory.current": 2 * MIB})
    assert memory_limits(process) == [MemoryLimit(MIB, 0)]


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert memory_limits(tmp_path) == []
    assert cpu_quota(tmp_path) is None
