"""Whether this machine lets a sandbox be: asked of the system, not of the code under test."""

import shutil
import subprocess

import pytest

_TRIAL = "bwrap --unshare-all --unshare-user --ro-bind / / true"


def _there_is_one() -> bool:
    if shutil.which("bwrap") is None:
        return False
    return subprocess.run(_TRIAL.split(), check=False, capture_output=True).returncode == 0


HAS_SANDBOX = _there_is_one()
needs_sandbox = pytest.mark.skipif(
    not HAS_SANDBOX, reason="bubblewrap cannot make a sandbox on this machine"
)
