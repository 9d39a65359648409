"""A process in a real control group is told what the group leaves it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from secondbasket.core.chip import Chip

LIMIT = 512 << 20
PROBE = (
    "import sys, msgspec\n"
    "from secondbasket.chips.probes.cpu import create\n"
    "sys.stdout.buffer.write(msgspec.json.encode(create().probe(measure=False)[0]))"
)
_ROOT = Path("/sys/fs/cgroup")
# By version of control groups: where a group is made, its limit, and its processor quota.
_LAYOUTS = {
    1: (
        (_ROOT / "memory", {"memory.limit_in_bytes": str(LIMIT)}),
        (_ROOT / "cpu", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}),
    ),
    2: ((_ROOT, {"memory.max": str(LIMIT), "cpu.max": "100000 100000"}),),
}


@pytest.fixture
def limited() -> Iterator[list[Path]]:
    """Folders of a real group with 512 MiB and one processor, as the kernel here has them."""
    layout = _LAYOUTS[1 if (_ROOT / "memory").is_dir() else 2]
    folders = [hierarchy / f"secondbasket-test-{os.getpid()}" for hierarchy, _ in layout]
    try:
        try:
            for folder, (_, limits) in zip(folders, layout, strict=True):
                folder.mkdir()
                for name, value in limits.items():
                    (folder / name).write_text(value)
        except OSError as exc:
            pytest.skip(f"control groups cannot be made here: {exc}")
        yield folders
    finally:
        for folder in folders:
            with suppress(FileNotFoundError):
                folder.rmdir()


def test_memory_and_cores_are_the_group_s(limited: list[Path]) -> None:
    join = "".join(f"echo $$ > {folder}/cgroup.procs && " for folder in limited)
    told = subprocess.run(
        ["sh", "-c", f'{join}exec "$0" -c "$1"', sys.executable, PROBE],
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    ).stdout
    chip = msgspec.json.decode(told, type=Chip)
    assert chip.memory_total == LIMIT
    # What the interpreter itself holds is gone, and little else.
    assert LIMIT - (128 << 20) < chip.memory_free < LIMIT
    assert chip.cores == 1
