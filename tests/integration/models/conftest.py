"""A disk small enough to be filled."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import database, database_url, postgres_socket

__all__ = ["database", "database_url", "postgres_socket", "small_disk"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 128 MiB large. Only root may mount one; CI runs as root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "none", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
