"""Threat 23: with no route out everything local works, and nothing tries to leave.

The whole product runs in a network namespace that has a loopback device and
nothing else, under strace, which sees every connection of every process of it,
native code of the engines included.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

# An address of the internet families that a system call was given, as strace writes it.
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
_HERE = re.compile(r"127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+|0\.0\.0\.0|::")


def leaving(trace: str) -> list[str]:
    """The calls in a strace log that would send something off this machine, or ask a resolver."""
    found = []
    for line in trace.splitlines():
        addresses = [four or six for four, six in _ADDRESS.findall(line)]
        asks_resolver = "53" in _PORT.findall(line)
        if asks_resolver or any(not _HERE.fullmatch(address) for address in addresses):
            found.append(line)
    return found


def test_the_trace_is_read_rightly() -> None:
    here = (
        'connect(5, {sa_family=AF_INET, sin_port=htons(8400), sin_addr=inet_addr("127.0.0.1")}, 16)'
    )
    local = 'connect(5, {sa_family=AF_UNIX, sun_path="/run/x.sock"}, 110) = 0'
    away = (
        'connect(5, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.7")}, 16)'
    )
    away6 = (
        "sendto(5, .., {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28)'
    )
    resolver = (
        'connect(5, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16)'
    )
    assert leaving(f"{here}\n{local}\n{away}\n{away6}\n{resolver}") == [away, away6, resolver]


def test_everything_local_works_and_nothing_tries_to_leave(
    stocked_home: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    for program in ("strace", "unshare", "ip"):
        assert shutil.which(program), f"this test needs {program}"
    namespace = (
        ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    )
    inside = 'ip link set lo up && exec "$@"'
    driver = [
        sys.executable,
        "-m",
        "tests.acceptance.closed_network",
        str(stocked_home),
        str(trace),
    ]
    done = subprocess.run(
        [*namespace, "sh", "-c", inside, "sh", *driver],
        cwd=ROOT,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    results = json.loads(done.stdout)
    assert results["outside"] == "unreachable"
    assert results["chat"]
    assert results["streamed"]
    assert results["vectors"] == 1
    assert results["receipt"] == "completed"
    assert results["models"] >= 2
    assert results["second"] == "local/smollm2-135m-instruct@openvino"
    assert results["console"] == 200
    recorded = trace.read_text()
    assert "127.0.0.1" in recorded, "strace saw nothing"
    assert leaving(recorded) == []
