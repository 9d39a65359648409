"""The default set-up, as it is without any configuration: two engines behind one model name."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from tests.conftest import CHAT_MODEL
from tests.running import BASKET, Running, environment, running

DEFAULT = {"SECONDBASKET_ENGINE_SECOND": "openvino"}
FIRST, SECOND = f"local/{CHAT_MODEL}", f"local/{CHAT_MODEL}@openvino"
LONG = {
    "model": CHAT_MODEL,
    "messages": [{"role": "user", "content": "Tell me a long story about a dog and a cat."}],
    "max_tokens": 80,
    "ignore_eos": True,
    "stream": True,
    "stream_options": {"include_usage": True},
}


def replicas(server: Running) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in server.basket("status")["replicas"]}


@pytest.fixture(scope="module")
def server(stocked_module_home: Path) -> Iterator[Running]:
    """The product as it comes, once its second engine is ready."""
    with running(stocked_module_home, settings=DEFAULT) as product:
        deadline = time.monotonic() + 120
        while replicas(product).get(f"{CHAT_MODEL}@openvino", {}).get("state") != "ready":
            assert time.monotonic() < deadline, replicas(product)
            time.sleep(0.2)
        yield product


def events(server: Running, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with httpx2.stream(
        "POST", f"{server.url}/v1/chat/completions", json=body, headers=server.headers, timeout=120
    ) as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            data = line.removeprefix("data: ")
            if line.startswith("data: ") and data != "[DONE]":
                yield msgspec.json.decode(data)


def test_both_engines_stand_behind_the_default_model(server: Running) -> None:
    basket = next(b for b in server.basket("status")["baskets"] if b["name"] == CHAT_MODEL)
    assert [each["name"] for each in basket["upstreams"]] == [FIRST, SECOND]
    shared = {each["domain"] for each in server.basket("lint") if each["basket"] == CHAT_MODEL}
    assert "upstream" not in shared, "there is a second basket"
    assert "weights" in shared, "which has the same weights, and says so"
    assert "engine" not in shared


def test_a_stream_goes_on_in_the_second_engine_when_the_first_is_killed(server: Running) -> None:
    told: list[str] = []
    last: dict[str, Any] = {}
    for event in events(server, LONG):
        assert "error" not in event
        last = event
        for choice in event["choices"]:
            if text := choice["delta"].get("content"):
                told.append(text)
                if len(told) == 20:
                    os.kill(replicas(server)[CHAT_MODEL]["pid"], signal.SIGKILL)
    receipt = server.basket("receipt", last["id"])
    assert [hop["upstream"] for hop in receipt["hops"]] == [FIRST, SECOND]
    assert receipt["outcome"] == "completed"
    assert last["usage"]["completion_tokens"] == 80 == receipt["output_tokens"]
    assert len(told) > 60


def test_while_the_first_engine_is_down_the_second_answers(server: Running) -> None:
    os.kill(replicas(server)[CHAT_MODEL]["pid"], signal.SIGKILL)
    answer = httpx2.post(
        f"{server.url}/v1/chat/completions",
        json={**LONG, "stream": False, "stream_options": None, "max_tokens": 8},
        headers=server.headers,
        timeout=60,
    )
    assert answer.status_code == 200
    assert answer.json()["usage"]["completion_tokens"] == 8
    assert server.basket("receipt", answer.json()["id"])["upstream"] == SECOND


def test_the_tour_passes_every_stop(server: Running) -> None:
    stops = server.basket("tour")
    assert [stop["title"] for stop in stops if not stop["passed"]] == []
    assert len(stops) == 7
    seen = {stop["title"]: "\n".join(stop["seen"]) for stop in stops}
    assert f"continued on {SECOND} after {FIRST} broke off" in seen["When the engine dies"]
    drill = server.basket("drill", "list")[0]
    assert (drill["outcome"], drill["cuts"]) == ("passed", ["engine:llamacpp"])
    assert drill["drill"] in seen["Pull the plug"]
    assert "100 % of 10 requests were answered." in seen["Pull the plug"]


def test_doctor_looks_at_the_second_engine(server: Running) -> None:
    done = subprocess.run(
        [BASKET, "doctor", "--json"],
        env=environment(server.home, **DEFAULT),
        capture_output=True,
        timeout=120,
        check=False,
    )
    findings = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    assert findings["Second engine"]["state"] == "ok"
    assert "openvino" in findings["Second engine"]["found"]
