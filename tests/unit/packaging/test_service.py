"""The systemd unit is one that systemd understands, and it keeps the service in its place."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent.parent.parent / "packaging" / "secondbasket.service"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here"
)


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # The program it starts is not installed where this test runs.
    unit.write_text(UNIT.read_text().replace("/opt/secondbasket/bin/basket", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0


@needs_systemd
def test_little_is_left_that_the_service_could_harm() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_key_stays_out_of_the_journal() -> None:
    assert "basket up --hide-key" in UNIT.read_text()
