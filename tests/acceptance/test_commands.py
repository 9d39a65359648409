"""Every command against the running server: one JSON document, true figures, clear failures."""

import hashlib
import json
import os
import pty
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.conftest import CHAT_MODEL, EMBEDDING_MODEL
from tests.running import BASKET, Running, environment


def run(server: Running, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BASKET, *arguments],
        env=environment(server.home, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_a_question_gets_an_answer_and_its_receipt(server: Running) -> None:
    question = "What is the capital of France?"
    chat = server.basket("chat", "--max-tokens", "24", question)
    assert chat["model"] == CHAT_MODEL
    assert chat["answer"]
    receipt = chat["receipt"]
    assert (receipt["outcome"], receipt["usage_exact"]) == ("completed", True)
    assert 0 < receipt["output_tokens"] <= 24
    assert receipt["cost"] > 0
    assert server.basket("receipt", receipt["request_id"]) == receipt
    people = run(server, "receipt", receipt["request_id"])
    assert receipt["digest"] in people.stdout
    shown = run(server, "chat", "--max-tokens", "8", question)
    assert shown.stdout.strip()
    assert "req_" in shown.stderr


def test_a_conversation_goes_on_until_its_end(server: Running) -> None:
    done = subprocess.run(
        [BASKET, "chat", "--max-tokens", "8"],
        env=environment(server.home),
        input="Hello\n\nAnd again\n",
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = (line for line in done.stderr.splitlines() if line.startswith("req_"))
    tokens = [int(line.partition("law:")[2].split()[2]) for line in (first, second)]
    assert tokens[1] > tokens[0], "the second question did not carry the conversation"


def test_a_terminal_shows_how_far_it_is(server: Running) -> None:
    screen, terminal = pty.openpty()
    with os.fdopen(screen, "rb", buffering=0) as shown:
        done = subprocess.run(
            [BASKET, "model", "verify", CHAT_MODEL, "--json"],
            env=environment(server.home),
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=120,
            check=True,
        )
        os.set_blocking(screen, False)
        bar = shown.read(65536) or b""
        os.close(terminal)
    assert json.loads(done.stdout)["models"] == [CHAT_MODEL]
    assert b"verifying SmolLM2" in bar
    assert b"of 98.4 MB" in bar


def test_usage_adds_up_to_the_receipts(server: Running) -> None:
    key = server.basket("key", "create", "--name", "usage")
    assert set(key) == {"id", "key"}
    assert server.basket("usage", "--key", key["id"]) == []
    local = server.basket("chat", "--max-tokens", "4", "Hello")["receipt"]["key_id"]
    rows = server.basket("usage", "--rows", "10000", "--key", local)
    [total] = server.basket("usage", "--key", local, "--by", "key")
    for field in ("input_tokens", "output_tokens", "cost"):
        assert total[field] == sum(row[field] for row in rows)
    assert total["calls"] == len(rows)
    by_day = server.basket("usage", "--key", local, "--by", "day", "--by", "basket")
    assert sum(row["calls"] for row in by_day) == len(rows)
    assert server.basket("usage", "--key", local, "--until", "2026-01-01T00:00:00Z") == []


def test_keys_are_listed_and_revoked(server: Running) -> None:
    key = server.basket("key", "create", "--name", "ann", "--budget", "1.50", "--expires", "30d")
    listed = {row["id"]: row for row in server.basket("key", "list")}
    row = listed[key["id"]]
    assert (row["name"], row["role"], row["budget"]) == ("ann", "user", 1_500_000_000)
    assert row["expires_at"] > row["created_at"]
    assert key["key"] not in json.dumps(listed)
    assert server.basket("key", "revoke", key["id"])["revoked_at"]
    assert "revoked" in run(server, "key", "list").stdout


def test_models_are_listed_shown_and_verified(server: Running) -> None:
    models = {row["name"]: row for row in server.basket("model", "list")}
    assert {CHAT_MODEL, EMBEDDING_MODEL} <= set(models)
    assert server.basket("model", "show", CHAT_MODEL) == models[CHAT_MODEL]
    verified = server.basket("model", "verify", CHAT_MODEL)
    assert (verified["models"], verified["broken"]) == ([CHAT_MODEL], [])
    recommended = server.basket("model", "recommend")
    [row] = [row for row in recommended if row["name"] == CHAT_MODEL]
    assert row["fits"]
    assert "qwen" in json.dumps(recommended)


def test_status_tells_of_every_engine(server: Running) -> None:
    status = server.basket("status")
    assert (status["state"], status["address"]) == ("ready", server.url)
    assert status["pid"] == server.process.pid
    replicas = {row["name"]: row for row in status["replicas"]}
    for name in (CHAT_MODEL, EMBEDDING_MODEL):
        assert replicas[name]["state"] == "ready"
        assert replicas[name]["observed_bytes"] > 0
        os.kill(replicas[name]["pid"], 0)
    baskets = {row["name"]: row for row in status["baskets"]}
    assert baskets[CHAT_MODEL]["rules"]["routing"] == "priority"
    [upstream] = baskets[CHAT_MODEL]["upstreams"]
    assert (upstream["name"], upstream["state"]) == (f"local/{CHAT_MODEL}", "ready")
    people = run(server, "status").stdout
    assert server.url in people
    assert f"local/{CHAT_MODEL}" in people


def test_chips_are_measured(server: Running) -> None:
    cpu = next(chip for chip in server.basket("chips") if chip["kind"] == "cpu")
    assert cpu["read_bandwidth"] > 100_000_000
    assert cpu["cores"] >= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["receipt", "req_none"], "There is no receipt 'req_none'"),
        (["key", "revoke", "key_none"], "There is no key 'key_none'"),
        (["model", "show", "none"], "No model is installed under the name 'none'"),
        (["model", "pull", "qwen3-0.6bb"], "Did you mean 'qwen3-0.6b'?"),
        (["model", "pull", "file:/none.gguf"], "There is no file at /none.gguf"),
        (["chat", "--model", "none", "Hello"], "There is no model 'none'"),
        (["lint", "none"], "There is no model 'none'"),
        (["restore", "/dev/null", "--force"], "in use by 'basket up'"),
        (["upgrade"], "in use by 'basket up'"),
        (["up", "--port", "0"], "in use by 'basket up'"),
    ],
)
def test_a_failure_is_a_status_a_reason_and_nothing_on_standard_output(
    server: Running, arguments: list[str], said: str
) -> None:
    done = run(server, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_a_backup_of_a_running_home_is_whole(server: Running, tmp_path: Path) -> None:
    told = server.basket("chat", "--max-tokens", "4", "Hello")["receipt"]
    file = tmp_path / "home.tar"
    backup = server.basket("backup", str(file))
    with tarfile.open(file) as tar:
        names = set(tar.getnames())
        for name, sha256 in backup["contents"]["files"].items():
            content = tar.extractfile(name)
            assert content is not None
            assert hashlib.sha256(content.read()).hexdigest() == sha256
    assert {"secondbasket.db", "secrets/pepper", f"models/manifests/{CHAT_MODEL}.json"} <= names
    other = tmp_path / "h"
    restored = subprocess.run(
        [BASKET, "restore", str(file), "--json"],
        env=environment(other),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(restored.stdout)["kept_aside"] is None
    receipt = subprocess.run(
        [BASKET, "receipt", told["request_id"], "--json"],
        env=environment(other),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(receipt.stdout) == told


def test_the_doctor_finds_a_running_server_sound(server: Running) -> None:
    report = server.basket("doctor")
    assert report["sound"], report
    checks = {finding["check"]: finding for finding in report["findings"]}
    assert {"Python", "Home", "Disk", "Clock", "Settings", "TLS", "Outbound", "Chips"} <= set(
        checks
    )
    assert "digest read again" in checks[f"Model {CHAT_MODEL}"]["found"]
    assert server.url in checks["Server"]["found"]
    assert checks["Engine"]["state"] == "ok"


def test_the_tour_owns_up_where_there_is_no_second_basket(server: Running) -> None:
    before = {row["name"]: row["pid"] for row in server.basket("status")["replicas"]}
    done = run(server, "tour", "--json")
    assert done.returncode == 1
    assert "1 of 7 stops failed: Pull the plug." in done.stderr
    stops = {stop["title"]: stop for stop in json.loads(done.stdout)}
    assert [title for title, stop in stops.items() if not stop["passed"]] == ["Pull the plug"]
    assert "There is no second basket" in stops["Pull the plug"]["seen"][0]
    seen = "\n".join(stops["When the engine dies"]["seen"])
    assert str(before[CHAT_MODEL]) in seen
    assert "The client was told" in seen
    after = {row["name"]: row["pid"] for row in server.basket("status")["replicas"]}
    assert after[CHAT_MODEL] != before[CHAT_MODEL]
    assert after[EMBEDDING_MODEL] == before[EMBEDDING_MODEL]
    with pytest.raises(ProcessLookupError):
        os.kill(before[CHAT_MODEL], 0)


def test_lint_says_what_the_basket_of_the_default_model_shares(server: Running) -> None:
    found = server.basket("lint", CHAT_MODEL)
    assert found
    assert {each["basket"] for each in found} == {CHAT_MODEL}
    assert any(each["severity"] == "breaks" for each in found)
    assert all(each["told"].endswith(".") for each in found)
    everything = server.basket("lint")
    assert {each["basket"] for each in everything} == {CHAT_MODEL, EMBEDDING_MODEL}
    people = run(server, "lint", CHAT_MODEL)
    assert (people.returncode, people.stderr) == (0, "")
    assert found[0]["told"] in people.stdout
    strict = run(server, "lint", CHAT_MODEL, "--strict", "--json")
    assert strict.returncode == 1
    assert json.loads(strict.stdout) == found
    assert CHAT_MODEL in strict.stderr
