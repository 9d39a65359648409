"""Every connection of the whole running product is one that its outbound door allowed.

strace sees what native code and libraries do too: each destination is a port
of an engine of ours, or one that the ledger says the door let through.
"""

import json
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from tests.conftest import CHAT_MODEL, EMBEDDING_MODEL
from tests.integration.maas.drills.house import speak
from tests.running import Running, running
from tests.scripted_upstream import ScriptedUpstream, scripted_upstream

pytestmark = pytest.mark.anyio

PROVIDER = """
[providers.far]
base_url = "{base_url}"
law = "US"
vendor = "Far Inc."
[upstreams.far-large]
provider = "far"
model = "large"
context_tokens = 8192
price_input_per_million = "0.1"
price_output_per_million = "0.3"
[baskets.mixed]
upstreams = ["far-large", "local/{model}"]
"""
STRACE = (
    *("strace", "--daemonize", "--follow-forks", "--seccomp-bpf", "--quiet=all"),
    *("--string-limit=16", "--trace=connect,sendto,sendmsg,sendmmsg"),
)

_INTERNET = re.compile(
    r"sin6?_port=htons\((\d+)\).*?(?:inet_addr\(\"([^\"]+)\"\)|inet_pton\(AF_INET6, \"([^\"]+)\")"
)


def destinations(trace: str) -> set[str]:
    """'address:port' of every system call that names an address of the internet families."""
    return {
        f"{four or six}:{port}"
        for line in trace.splitlines()
        for port, four, six in _INTERNET.findall(line)
    }


def ask(server: Running, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{server.url}/v1/{path}",
        data=json.dumps(body).encode(),
        headers={**server.headers, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def work(home: Path, provider: ScriptedUpstream, trace: Path) -> tuple[set[str], set[str]]:
    """Do a bit of everything; the ports of the engines, and what the ledger says was allowed."""
    (home / "basket.toml").write_text(PROVIDER.format(base_url=provider.base_url, model=CHAT_MODEL))
    words = [{"role": "user", "content": "Hello"}]
    with running(home, under=(*STRACE, f"--output={trace}")) as server:
        for model in (CHAT_MODEL, "mixed"):
            ask(server, "chat/completions", {"model": model, "messages": words, "max_tokens": 4})
        ask(server, "embeddings", {"model": EMBEDDING_MODEL, "input": "a"})
        server.basket("chips")
        server.basket("model", "recommend")
        server.basket("lint")
        drill = ("--cut", "law:US", "--basket", "mixed", "--seconds", "4", "--rate", "0.5")
        report = server.basket("drill", *drill)
        assert report["answered_percent"] == 100
        told = server.basket("egress")
        engines = {
            f"127.0.0.1:{connection.laddr.port}"
            for child in psutil.Process(server.process.pid).children(recursive=True)
            for connection in child.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
    assert engines
    (row,) = told
    assert (row["law"], row["vendor"], row["data_class"]) == ("US", "Far Inc.", "internal")
    assert row["sent"] > 0
    assert row["received"] > 0
    _until_whole(trace)
    return engines, {row["destination"]}


def _until_whole(trace: Path) -> None:
    """strace writes on until the last process that it follows has ended."""
    deadline = time.monotonic() + 20
    while any(_traces_into(trace, each) for each in psutil.process_iter()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _traces_into(trace: Path, process: psutil.Process) -> bool:
    try:
        return f"--output={trace}" in process.cmdline()
    except psutil.Error:
        return False


async def test_only_what_the_door_allowed_is_connected_to(
    stocked_home: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    async with scripted_upstream(speak) as far:
        engines, allowed = await anyio.to_thread.run_sync(work, stocked_home, far, trace)
        assert far.exchanges
    seen = destinations(await anyio.Path(trace).read_text())
    assert allowed <= seen, "strace saw nothing"
    assert engines & seen, "strace saw nothing"
    assert seen - engines - allowed == set()


def test_the_trace_is_read_rightly() -> None:
    lines = (
        'connect(5, {sa_family=AF_INET, sin_port=htons(8400), sin_addr=inet_addr("1.2.3.4")}, 16)',
        'connect(5, {sa_family=AF_UNIX, sun_path="/run/x.sock"}, 110) = 0',
        (
            "sendto(5, .., {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
            'inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28)'
        ),
    )
    assert destinations("\n".join(lines)) == {"1.2.3.4:8400", "2001:db8::1:443"}
