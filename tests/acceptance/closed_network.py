"""Runs inside the closed network of `test_no_route_out`: the product under strace, and its callers.

``python -m tests.acceptance.closed_network HOME TRACE`` prints what each call gave, as JSON.
"""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import openai
import psutil

from tests.running import Running, running

CHAT = "smollm2-135m-instruct"
EMBEDDING = "all-minilm-l6-v2"
_LOOKS = 200
# Libraries that report to their makers do so some seconds after they were first used.
_REPORTED_AFTER_SECONDS = 20


def main(home: Path, trace: Path) -> None:
    strace = [
        *(
            "strace",
            "--daemonize",
            "--follow-forks",
            "--seccomp-bpf",
            "--quiet=all",
            "--string-limit=16",
        ),
        *("--trace=connect,sendto,sendmsg,sendmmsg", f"--output={trace}"),
    ]
    results: dict[str, Any] = {"outside": _outside()}
    second = {"SECONDBASKET_ENGINE_SECOND": "openvino"}
    with running(home, under=strace, settings=second) as server:
        begun = time.monotonic()
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key) as client:
            raw = client.chat.completions.with_raw_response.create(
                model=CHAT,
                messages=[{"role": "user", "content": "What is 2+2?"}],
                max_tokens=12,
            )
            results["chat"] = raw.parse().choices[0].message.content
            stream = client.chat.completions.create(
                model=CHAT, messages=[{"role": "user", "content": "Hi"}], max_tokens=8, stream=True
            )
            results["streamed"] = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
            embeddings = client.embeddings.create(model=EMBEDDING, input="A cat.")
            results["vectors"] = len(embeddings.data)
            results["models"] = len(client.models.list().data)
        results["receipt"] = server.basket("receipt", raw.headers["x-basket-request-id"])["outcome"]
        # Now in the other engine, which answers as the first one dies.
        _ready_process(server, f"{CHAT}@openvino")
        os.kill(_ready_process(server, CHAT), signal.SIGKILL)
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key) as client:
            raw = client.chat.completions.with_raw_response.create(
                model=CHAT, messages=[{"role": "user", "content": "Hello"}], max_tokens=8
            )
        receipt = server.basket("receipt", raw.headers["x-basket-request-id"])
        results["second"] = receipt["upstream"]
        server.basket("chips")
        server.basket("model", "recommend")
        server.basket("model", "list")
        server.basket("usage")
        answer = httpx2.get(server.url, follow_redirects=True, trust_env=False)
        results["console"] = answer.status_code
        time.sleep(max(0.0, begun + _REPORTED_AFTER_SECONDS - time.monotonic()))
        tracers = [process for process in psutil.process_iter() if _traces_into(trace, process)]
        assert tracers
    _, running_still = psutil.wait_procs(tracers, timeout=20)  # the trace is whole once they end
    assert not running_still
    print(json.dumps(results))


def _ready_process(server: Running, name: str) -> int:
    """The process id of a replica, once it is ready."""
    replicas: dict[str, Any] = {}
    for _ in range(_LOOKS):
        replicas = {each["name"]: each for each in server.basket("status")["replicas"]}
        if name in replicas and replicas[name]["state"] == "ready":
            return int(replicas[name]["pid"])
        time.sleep(0.5)
    raise AssertionError(f"{name} was not ready: {replicas}")


def _traces_into(trace: Path, process: psutil.Process) -> bool:
    try:
        return f"--output={trace}" in process.cmdline()
    except psutil.Error:
        return False


def _outside() -> str:
    try:
        with socket.create_connection(("192.0.2.1", 80), timeout=5):
            return "reachable"
    except OSError:
        return "unreachable"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
