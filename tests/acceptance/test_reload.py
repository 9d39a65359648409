"""basket.toml changes under a running server: taken whole, or not at all."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.running import BASKET, Running, environment, running

FAR = """
[providers.far]
base_url = "https://far.example/v1"
law = "FR"
[upstreams.far-large]
provider = "far"
model = "large"
context_tokens = 8192
price_input_per_million = "0.1"
price_output_per_million = "0.3"
[baskets.{name}]
upstreams = ["far-large", "local/smollm2-135m-instruct"]
"""


def models(server: Running) -> set[str]:
    request = urllib.request.Request(f"{server.url}/v1/models", headers=server.headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return {model["id"] for model in json.load(answer)["data"]}


def test_a_changed_file_is_taken_whole_or_not_at_all(stocked_home: Path) -> None:
    file = stocked_home / "basket.toml"
    file.write_text(FAR.format(name="assistant"))
    with running(stocked_home) as server:
        assert "assistant" in models(server)

        file.write_text(FAR.format(name="writer") + "\n[server]\nport = 8499\n")
        reloaded = server.basket("reload")
        assert {"baskets.writer", "baskets.assistant"} <= set(reloaded["changed"])
        assert "server.port" not in reloaded["changed"]
        assert {"writer"} <= models(server)
        assert "assistant" not in models(server)

        file.write_text(FAR.format(name="third").replace('provider = "far"', 'provider = "fra"'))
        refused = subprocess.run(
            [BASKET, "reload"],
            env=environment(stocked_home),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert refused.returncode == 1
        assert b"'fra'" in refused.stderr
        assert "writer" in models(server)
        assert "third" not in models(server)

        file.write_text(FAR.format(name="fourth"))
        os.kill(server.process.pid, signal.SIGHUP)
        deadline = time.monotonic() + 10
        while "fourth" not in models(server):
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)

        file.write_text("[baskets.fifth]\nupstreams = 3\n")
        os.kill(server.process.pid, signal.SIGHUP)
        while "Not reloaded" not in server.log.read_text():
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)
        assert "baskets.fifth.upstreams" in server.log.read_text()
        assert "fourth" in models(server)
