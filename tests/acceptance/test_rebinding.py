"""Threat 13: a provider's name that comes to mean another place, in a network of its own.

The product runs in a namespace whose resolver is ours and hostile, and in which the cloud's
metadata address listens.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_INSIDE = """\
ip link set lo up
ip address add 169.254.169.254/32 dev lo
mount --bind "$1" /etc/resolv.conf
shift
exec "$@"
"""


def test_13_a_name_that_is_rebound_leads_nowhere(home: Path, tmp_path: Path) -> None:
    for program in ("unshare", "ip", "mount"):
        assert shutil.which(program), f"this test needs {program}"
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    namespace = ["unshare", "--net", "--mount"]
    if os.geteuid() != 0:
        namespace.append("--map-root-user")
    driver = [sys.executable, "-m", "tests.acceptance.hostile_resolver", str(home)]
    done = subprocess.run(
        [*namespace, "sh", "-ec", _INSIDE, "sh", str(resolver), *driver],
        cwd=ROOT,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["asked"], "the hostile resolver was never asked"
    for step in ("at first", "mended"):
        assert (told[step]["two"]["status"], told[step]["alone"]["status"]) == (200, 200)
        assert told[step]["calls"] == 2
    for step in ("rebound", "one of two", "rebound to any"):
        assert told[step]["two"]["status"] == 200, "the second upstream answers"
        assert told[step]["alone"]["status"] == 503
        assert "169.254" not in told[step]["alone"]["text"]
        assert told[step]["calls"] == 0, "what was judged is not what was dialled"
    assert told["visits"] == 0
