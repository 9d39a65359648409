"""Engines die, clients leave, keys are revoked, the server is killed: and the books agree."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import CHAT_MODEL
from tests.running import BASKET, Running, basket, environment, free_port, running

LONG = {
    "model": CHAT_MODEL,
    "messages": [{"role": "user", "content": "Count from one to five hundred in words."}],
    "max_tokens": 400,
    "ignore_eos": True,  # a field of llama.cpp's own, which travels on: it writes to the end
    "stream": True,
    "stream_options": {"include_usage": True},
}


@pytest.fixture
def own_server(stocked_home: Path) -> Iterator[Running]:
    """A server that a test may harm."""
    with running(stocked_home) as product:
        yield product


def engine_pid(server: Running, model: str = CHAT_MODEL) -> int:
    replicas = server.basket("status")["replicas"]
    return next(int(replica["pid"]) for replica in replicas if replica["name"] == model)


def stream(server: Running, body: dict[str, Any]) -> Any:
    return httpx2.stream(
        "POST", f"{server.url}/v1/chat/completions", json=body, headers=server.headers, timeout=60
    )


def events(response: httpx2.Response) -> Iterator[str]:
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield line.removeprefix("data: ")


def receipt_of(server: Running, request_id: str) -> dict[str, Any]:
    receipt: dict[str, Any] = server.basket("receipt", request_id)
    return receipt


def test_an_engine_killed_in_mid_stream_is_told_and_comes_back(own_server: Running) -> None:
    told: list[str] = []
    with stream(own_server, LONG) as response:
        request_id = response.headers["x-basket-request-id"]
        pieces = 0
        with pytest.raises(httpx2.RemoteProtocolError):  # the body is not ended cleanly either
            for data in events(response):
                told.append(data)
                pieces += 1
                if pieces == 10:
                    os.kill(engine_pid(own_server), signal.SIGKILL)
    assert "[DONE]" not in told
    error = json.loads(told[-1])["error"]
    assert error["code"] in ("upstream_broken", "upstream_unavailable")
    assert error["message"]
    receipt = receipt_of(own_server, request_id)
    assert receipt["outcome"] == "upstream_failed"
    assert receipt["output_tokens"] >= 9  # the first event only says who speaks
    # The SDK's own retries would do the same: the next call works as soon as the engine is back.
    deadline = time.monotonic() + 30
    short = LONG | {"max_tokens": 5, "stream": False}
    del short["stream_options"]
    while True:
        answer = httpx2.post(
            f"{own_server.url}/v1/chat/completions",
            json=short,
            headers=own_server.headers,
            timeout=60,
        )
        if answer.status_code == 200:
            break
        assert answer.status_code == 503
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert answer.json()["usage"]["completion_tokens"] == 5


def test_a_client_that_leaves_pays_for_what_was_written(server: Running) -> None:
    with stream(server, LONG) as response:
        request_id = response.headers["x-basket-request-id"]
        received = 0
        for data in events(response):
            received += bool(json.loads(data)["choices"][0]["delta"].get("content"))
            if received == 12:
                break
    receipt = _when_written(server, request_id)
    assert receipt["outcome"] == "client_closed"
    assert receipt["usage_exact"]
    assert receipt["input_tokens"] > 20
    # Whatever was on its way when the client hung up was written as well, and no more than that.
    assert 12 <= receipt["output_tokens"] < 100
    # The engine stopped writing: its slot is free again at once.
    started = time.monotonic()
    httpx2.post(
        f"{server.url}/v1/chat/completions",
        json={"model": CHAT_MODEL, "messages": LONG["messages"], "max_tokens": 1},
        headers=server.headers,
        timeout=60,
    ).raise_for_status()
    assert time.monotonic() - started < 10


def test_a_client_that_leaves_before_the_first_token_pays_for_the_prompt(server: Running) -> None:
    # A prompt of some seconds' reading, left in the middle of it.
    body = LONG | {
        "messages": [{"role": "user", "content": "word " * 2500 + str(time.monotonic())}]
    }
    before = {row["request_id"] for row in _rows(server)}
    with (
        pytest.raises(httpx2.ReadTimeout),
        httpx2.stream(
            "POST",
            f"{server.url}/v1/chat/completions",
            json=body,
            headers=server.headers,
            timeout=httpx2.Timeout(10, read=0.7),
        ),
    ):
        pass
    deadline = time.monotonic() + 20
    while not (new := [row for row in _rows(server) if row["request_id"] not in before]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (receipt,) = new
    assert receipt["outcome"] == "client_closed"
    assert receipt["output_tokens"] == 0
    assert receipt["input_tokens"] > 2500
    assert receipt["usage_exact"]


def test_revoking_a_key_ends_its_stream_with_an_error(server: Running) -> None:
    made = server.basket("key", "create", "--name", "leaver")
    told: list[str] = []
    with (
        pytest.raises(httpx2.RemoteProtocolError),
        httpx2.stream(
            "POST",
            f"{server.url}/v1/chat/completions",
            json=LONG,
            headers={"Authorization": f"Bearer {made['key']}"},
            timeout=60,
        ) as response,
    ):
        request_id = response.headers["x-basket-request-id"]
        for data in events(response):
            told.append(data)
            if len(told) == 5:
                basket(server.home, "key", "revoke", made["id"], "--json")
    assert json.loads(told[-1])["error"]["code"] == "api_key_revoked"
    assert len(told) < 300
    assert receipt_of(server, request_id)["outcome"] == "revoked"


def test_killed_under_load_the_books_hold_every_finished_answer(stocked_home: Path) -> None:
    finished: list[tuple[str, int, int]] = []
    enough = asyncio.Event()

    async def client(server: Running, number: int) -> None:
        body = {
            "model": CHAT_MODEL,
            "messages": [{"role": "user", "content": f"Say {number}."}],
            "max_tokens": 6,
        }
        async with httpx2.AsyncClient(timeout=30) as http:
            while True:
                try:
                    answer = await http.post(
                        f"{server.url}/v1/chat/completions", json=body, headers=server.headers
                    )
                except httpx2.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                usage = answer.json()["usage"]
                if len(finished) == 25:
                    enough.set()
                finished.append(
                    (answer.json()["id"], usage["prompt_tokens"], usage["completion_tokens"])
                )

    async def load_and_kill(server: Running) -> None:
        clients = [asyncio.ensure_future(client(server, number)) for number in range(6)]
        await enough.wait()
        server.process.kill()
        await asyncio.gather(*clients)

    with running(stocked_home) as server:
        asyncio.run(load_and_kill(server))
        server.process.wait()
    with running(stocked_home) as server:
        rows = {row["request_id"]: row for row in _rows(server)}
        for request_id, input_tokens, output_tokens in finished:
            row = rows[request_id]
            assert (row["input_tokens"], row["output_tokens"]) == (input_tokens, output_tokens)
            assert row["outcome"] == "completed"
        sums = server.basket("usage")
        assert sum(each["calls"] for each in sums) == len(rows)
        assert sum(each["output_tokens"] for each in sums) == sum(
            row["output_tokens"] for row in rows.values()
        )
        # What the killed one was in the middle of has cost nobody anything.
        assert set(rows) == {each[0] for each in finished} | {
            row["request_id"] for row in rows.values() if row["outcome"] == "completed"
        }


def test_a_second_server_on_one_home_says_who_has_it(server: Running) -> None:
    second = subprocess.run(
        [BASKET, "up", "--port", str(free_port())],
        env=environment(server.home),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert second.returncode != 0
    assert "basket up" in second.stderr.decode()
    assert str(server.process.pid) in second.stderr.decode()
    assert b"Traceback" not in second.stderr


def test_a_port_in_use_is_named(server: Running, home: Path) -> None:
    second = subprocess.run(
        [BASKET, "up", "--port", str(server.port)],
        env=environment(home),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert second.returncode != 0
    assert str(server.port) in second.stderr.decode()
    assert b"--port" in second.stderr


@pytest.mark.parametrize(
    ("text", "named", "nearest"),
    [
        ("[server]\nprot = 8400\n", "server.prot", "server.port"),
        ("[engine]\nslotz = 2\n", "engine.slotz", "engine.slots"),
        ("[sever]\nport = 8400\n", "sever", "server"),
    ],
)
def test_a_typo_in_the_settings_stops_the_start(
    home: Path, text: str, named: str, nearest: str
) -> None:
    (home / "basket.toml").write_text(text)
    started = subprocess.run(
        [BASKET, "up"], env=environment(home), capture_output=True, timeout=60, check=False
    )
    told = started.stderr.decode()
    assert started.returncode != 0
    assert named in told
    assert nearest in told
    assert "basket.toml" in told


def test_a_typo_in_a_variable_is_named(home: Path) -> None:
    started = subprocess.run(
        [BASKET, "status"],
        env=environment(home, SECONDBASKET_SERVER_PROT="1"),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert started.returncode != 0
    assert "SECONDBASKET_SERVER_PROT" in started.stderr.decode()
    assert "SECONDBASKET_SERVER_PORT" in started.stderr.decode()


def _rows(server: Running) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = server.basket("usage", "--rows", "1000")
    return rows


def _when_written(server: Running, request_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while True:
        done = subprocess.run(
            [BASKET, "receipt", request_id, "--json"],
            env=environment(server.home),
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode == 0:
            receipt: dict[str, Any] = json.loads(done.stdout)
            return receipt
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.1)
