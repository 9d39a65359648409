"""`basket drill` on the real product with its real engines: cut, measured, given back, signed."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import CHAT_MODEL
from tests.running import BASKET, Running, basket, environment, running

LLAMACPP, OPENVINO = f"local/{CHAT_MODEL}", f"local/{CHAT_MODEL}@openvino"
_SECONDS = 400
_BOTH_ENGINES = {"SECONDBASKET_ENGINE_SECOND": "openvino"}


def drill(home: Path, *arguments: str) -> tuple[int, Any, str]:
    """Exit status, the JSON document, standard error."""
    done = subprocess.run(
        [BASKET, "drill", *arguments, "--json"],
        env=environment(home, **_BOTH_ENGINES),
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    told = done.stderr.decode()
    return done.returncode, json.loads(done.stdout) if done.stdout else None, told


def ask(server: Running, *, seconds: float = 120) -> tuple[str, str]:
    """The text of an answer, and who gave it."""
    body = {
        "model": CHAT_MODEL,
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 4,
    }
    request = urllib.request.Request(
        f"{server.url}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={**server.headers, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        receipt = server.basket("receipt", answer.headers["x-basket-request-id"])
        return json.load(answer)["choices"][0]["message"]["content"], receipt["upstream"]


def test_on_a_fresh_home_the_other_engine_answers_everything(stocked_home: Path) -> None:
    status, report, told = drill(
        stocked_home, "--cut", "engine:llamacpp", "--seconds", "12", "--rate", "0.5"
    )
    assert status == 0, (told, report and (report["errors"], report["upstreams"]))
    assert report["cuts"] == ["engine:llamacpp"]
    assert report["basket"] == CHAT_MODEL
    assert report["requests"] == report["answered"] == 6
    assert report["answered_percent"] == 100
    assert report["refused_by_policy"] == report["streams_broken"] == 0
    parts = {part["upstream"]: part for part in report["upstreams"]}
    assert parts[LLAMACPP]["cut"]
    assert parts[LLAMACPP]["failed"] > 0
    assert parts[OPENVINO]["answered"] > 0
    assert report["switch_ms_p50"] > 0
    assert report["switch_ms_p95"] >= report["switch_ms_p50"]
    assert report["would_have_stopped"] == []
    assert "CUT" in told
    file = Path(report["report"])
    assert json.loads(file.read_text()) == report
    assert "<svg" in Path(report["page"]).read_text()
    assert basket(stocked_home, "drill", "show", report["id"], "--json") == report

    accepted = basket(stocked_home, "ledger", "verify", "--report", str(file), "--json")
    assert accepted["sound"]
    forged = stocked_home / "forged.json"
    forged.write_text(json.dumps(report | {"answered_percent": 99.0}))
    refused = subprocess.run(
        [BASKET, "ledger", "verify", "--report", str(forged)],
        env=environment(stocked_home),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1

    (row,) = basket(stocked_home, "drill", "list", "--json")
    assert (row["drill"], row["outcome"]) == (report["id"], "passed")
    usage = basket(stocked_home, "usage", "--by", "key", "--json")
    assert [(each["key_id"], each["cost"]) for each in usage] == [
        ("drill", report["cost"]["total"])
    ]


def test_where_nobody_is_left_it_says_so_by_its_exit_status(stocked_home: Path) -> None:
    status, report, told = drill(
        stocked_home, "--cut", "provider:local", "--seconds", "4", "--rate", "1"
    )
    assert status == 1
    assert report["answered_percent"] < 100
    assert not report["passed"]
    assert {each["basket"] for each in report["would_have_stopped"]} >= {CHAT_MODEL}
    assert "the target is 100 %" in told
    (row,) = basket(stocked_home, "drill", "list", "--json")
    assert row["outcome"] == "failed"
    low, _, told = drill(
        stocked_home, "--cut", "provider:local", "--seconds", "4", "--rate", "1", "--target", "0"
    )
    assert low == 0, told


def test_a_cut_that_is_wrong_is_explained(stocked_home: Path) -> None:
    status, report, told = drill(stocked_home, "--cut", "law:XX")
    assert (status, report) == (1, None)
    assert "law:own" in told


def engine(server: Running, module: str) -> psutil.Process:
    """The child process of one of the engines."""
    (found,) = (
        child
        for child in psutil.Process(server.process.pid).children(recursive=True)
        if module in " ".join(child.cmdline())
    )
    return found


def test_live_it_kills_the_engine_and_everybody_is_answered(stocked_home: Path) -> None:
    with running(stocked_home, settings=_BOTH_ENGINES) as server:
        until_both_are_up(server)
        killed = engine(server, "llamacpp_child")
        text, upstream = ask(server)
        assert text
        assert upstream == LLAMACPP
        command = [BASKET, "drill", "--cut", "engine:llamacpp", "--live", "--yes", "--json"]
        with subprocess.Popen(
            [*command, "--seconds", "12", "--rate", "0.5"],
            env=environment(stocked_home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running_drill:
            deadline = time.monotonic() + 60
            while killed.is_running() and killed.status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            _, upstream = ask(server)
            assert upstream == OPENVINO
            output, told = running_drill.communicate(timeout=_SECONDS)
        assert running_drill.returncode == 0, told.decode()
        report = json.loads(output)
        assert report["live"]
        assert report["answered_percent"] == 100
        # The drill's own, and ours in the middle of it.
        assert report["requests"] >= 7
        until_both_are_up(server)
        assert engine(server, "llamacpp_child").pid != killed.pid
        _, upstream = ask(server)
        assert upstream == LLAMACPP


def until_both_are_up(server: Running) -> None:
    deadline = time.monotonic() + 120
    while True:
        states = {each["name"]: each["state"] for each in server.basket("status")["replicas"]}
        if [states.get(name) for name in (CHAT_MODEL, f"{CHAT_MODEL}@openvino")] == ["ready"] * 2:
            return
        assert time.monotonic() < deadline, states
        time.sleep(0.2)


def test_a_live_drill_asks_first(stocked_home: Path) -> None:
    done = subprocess.run(
        [BASKET, "drill", "--cut", "engine:llamacpp", "--live"],
        env=environment(stocked_home),
        input=b"n\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 130
    assert b"for everybody" in done.stderr


def test_whoever_stops_a_drill_gives_back_what_was_cut(stocked_home: Path) -> None:
    with running(stocked_home, settings=_BOTH_ENGINES) as server:
        until_both_are_up(server)
        command = [BASKET, "drill", "--cut", "provider:local", "--live", "--yes"]
        with subprocess.Popen(
            [*command, "--seconds", "60", "--rate", "0"],
            env=environment(stocked_home),
            stderr=subprocess.PIPE,
        ) as drilling:
            assert drilling.stderr is not None
            while b"CUT" not in drilling.stderr.readline():
                assert drilling.poll() is None
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(server, seconds=30)
            assert refused.value.code == 503, refused.value.read()
            refused.value.close()
            drilling.send_signal(signal.SIGINT)
            assert drilling.wait(30) == 130
        answered_again(server)
        (row,) = server.basket("drill", "list")
        assert row["outcome"] == "broken_off"


def answered_again(server: Running) -> None:
    """Breakers that the cut opened close within their time."""
    deadline = time.monotonic() + 90
    while True:
        try:
            ask(server)
        except urllib.error.HTTPError as error:
            error.close()
            assert time.monotonic() < deadline
            time.sleep(0.5)
        else:
            return


def test_a_cut_dies_with_the_server(stocked_home: Path) -> None:
    with running(stocked_home, settings=_BOTH_ENGINES) as server:
        until_both_are_up(server)
        command = [BASKET, "drill", "--cut", "provider:local", "--live", "--yes"]
        with subprocess.Popen(
            [*command, "--seconds", "60", "--rate", "0"],
            env=environment(stocked_home),
            stderr=subprocess.PIPE,
        ) as drilling:
            assert drilling.stderr is not None
            while b"CUT" not in drilling.stderr.readline():
                assert drilling.poll() is None
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
            assert drilling.wait(30) == 1
    with running(stocked_home, settings=_BOTH_ENGINES) as server:
        assert ask(server)[0]
