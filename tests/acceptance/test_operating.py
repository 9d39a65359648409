"""Running it: starting, ending, crashing, backing up, moving, and finding out what is wrong."""

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme

from tests.conftest import CHAT_MODEL
from tests.running import BASKET, basket, environment, free_port, running
from tests.sandboxes import HAS_SANDBOX


def run(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BASKET, *arguments],
        env=environment(home, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def findings(home: Path, **settings: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit status of `basket doctor`, and what it found by check."""
    done = run(home, "doctor", "--json", **settings)
    report = json.loads(done.stdout)
    assert report["sound"] == (done.returncode == 0)
    return done.returncode, {each["check"]: each for each in report["findings"]}


@contextmanager
def up(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`basket up` whose output is read by the test."""
    process = subprocess.Popen(
        [BASKET, "up", *arguments],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            yield process
            process.kill()
    finally:
        process.kill()


def test_up_greets_with_the_same_key_each_time_and_its_example_works(stocked_home: Path) -> None:
    keys = []
    for _ in range(2):
        with up(stocked_home, "--port", str(free_port())) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            greeting = "".join(iter(process.stdout.readline, "Try it:\n"))
            example = "".join(process.stdout.readline() for _ in range(3))
            for line in process.stderr:
                if line.startswith("Ready after"):
                    break
            keys.append(greeting.partition("Key ")[2].split()[0])
            answer = subprocess.run(
                ["bash", "-c", example], capture_output=True, text=True, check=True, timeout=120
            )
            content = json.loads(answer.stdout)["choices"][0]["message"]["content"]
            assert content
            process.send_signal(signal.SIGTERM)
            assert process.stderr.read().endswith("Stopped.\n")
            assert process.wait(40) == 0
    assert keys[0] == keys[1]
    kept = stocked_home / "secrets" / "local.key"
    assert kept.read_text().strip() == keys[0]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_hidden_key_is_not_printed(home: Path) -> None:
    with up(home, "--port", str(free_port()), "--hide-key") as process:
        assert process.stdout is not None
        greeting = "".join(iter(process.stdout.readline, "\n"))
        assert "local.key" in greeting
        assert "sk-basket-" not in greeting


def test_the_second_up_on_a_home_says_who_has_it(home: Path) -> None:
    with up(home, "--port", str(free_port())) as process:
        assert process.stdout is not None
        process.stdout.readline()
        second = run(home, "up", "--port", str(free_port()))
        assert second.returncode == 1
        assert f"in use by 'basket up' (process {process.pid})" in second.stderr
        assert second.stderr.count("\n") == 2


def test_a_taken_port_is_named_before_anything_starts(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run(home, "up", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "run" / "admin.sock").exists()


def test_commands_work_without_a_server_and_side_by_side(stocked_home: Path) -> None:
    """Each runs the stack for its own duration; one that comes second goes through the first."""
    key = basket(stocked_home, "key", "create", "--name", "ann", "--json")
    many = [
        subprocess.Popen(
            [BASKET, "key", "list", "--json"],
            env=environment(stocked_home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for process in many:
        said, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint.decode()
        assert [row["id"] for row in json.loads(said)] == [key["id"]]
    chat = basket(stocked_home, "chat", "--max-tokens", "8", "Hello", "--json")
    assert chat["receipt"]["outcome"] == "completed"
    assert run(stocked_home, "status").returncode == 1


def test_a_chat_without_a_model_says_how_to_get_one(home: Path) -> None:
    done = run(home, "chat", "Hello")
    assert done.returncode == 1
    assert f"basket model pull {CHAT_MODEL}" in done.stderr


def test_a_tour_that_has_nothing_to_show_fails(home: Path) -> None:
    done = run(home, "tour", "--json")
    assert done.returncode == 1
    stops = json.loads(done.stdout)
    assert [stop["passed"] for stop in stops] == [True] + [False] * 6
    assert "6 of 7 stops failed" in done.stderr


def test_a_home_outlives_kill_9_and_moves_in_a_backup(stocked_home: Path, tmp_path: Path) -> None:
    with running(stocked_home) as server:
        replicas = [row["pid"] for row in server.basket("status")["replicas"]]
        receipt = server.basket("chat", "--max-tokens", "8", "Hello")["receipt"]
        server.process.kill()
        server.process.wait()
    file = tmp_path / "home.tar"
    basket(stocked_home, "backup", str(file), "--with-models", "--json")
    moved = tmp_path / "m"
    basket(moved, "restore", str(file), "--json")
    refused = run(moved, "restore", str(file))
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    with running(moved) as server:
        answer = httpx2.get(
            f"{server.url}/v1/receipts/{receipt['request_id']}",
            headers={
                "Authorization": f"Bearer {(moved / 'secrets/local.key').read_text().strip()}"
            },
        )
        assert answer.json() == receipt
        assert server.basket("chat", "--max-tokens", "8", "Hello")["answer"]
    for pid in replicas:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_upgrade_backs_up_first(home: Path) -> None:
    first = basket(home, "upgrade", "--json")
    assert (first["schema_before"], first["backup"]) == (None, None)
    assert first["schema_after"]
    basket(home, "key", "create", "--name", "ann", "--json")
    again = basket(home, "upgrade", "--json")
    assert again["schema_before"] == again["schema_after"] == first["schema_after"]
    kept = Path(again["backup"])
    assert kept.parent == home / "backups"
    (home / "secondbasket.db").write_bytes(b"not a database")
    assert run(home, "key", "list").returncode == 1
    basket(home, "restore", str(kept), "--force", "--json")
    assert [key["name"] for key in basket(home, "key", "list", "--json")] == ["ann"]


def test_the_doctor_finds_a_good_home_sound(stocked_home: Path) -> None:
    status, found = findings(stocked_home, SECONDBASKET_SERVER_PORT=str(free_port()))
    assert status == 0, found
    # One machine is one cause that would stop everything on it, and a doctor says so.
    expected = ["Independence"] if HAS_SANDBOX else ["Sandbox", "Independence"]
    assert [name for name, each in found.items() if each["state"] != "ok"] == expected
    assert found["Independence"]["state"] == "warning"
    assert found["Engine"]["found"].startswith(f"'{CHAT_MODEL}'")
    people = run(stocked_home, "doctor", SECONDBASKET_SERVER_PORT=str(free_port()))
    assert people.stdout.count("  ok  ") == len(found) - len(expected)


def test_the_doctor_names_what_is_missing_taken_and_open_to_others(home: Path) -> None:
    (home / "secrets").mkdir(mode=0o755)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        status, found = findings(
            home,
            SECONDBASKET_SERVER_PORT=str(other.getsockname()[1]),
            SECONDBASKET_EGRESS_PROXY="proxy.example",
            SECONDBASKET_MODELS_DEFAULT_EMBEDDING="",
        )
        assert status == 1
        assert found["Home"]["state"] == "broken"
        assert found["Home"]["mend"] == f"Run: chmod -R go-rwx {home}"
        assert found["Outbound"]["state"] == "broken"
        (home / "secrets").chmod(0o700)
        status, found = findings(home, SECONDBASKET_SERVER_PORT=str(other.getsockname()[1]))
    assert status == 1
    assert found["Home"]["state"] == "ok"
    assert found["Port"]["state"] == "broken"
    missing = found[f"Model {CHAT_MODEL}"]
    assert missing["mend"] == f"Run: basket model pull {CHAT_MODEL}"
    assert found["Engine"]["state"] == "broken"


def test_the_doctor_finds_damaged_weights(stocked_home: Path) -> None:
    shown = json.loads((stocked_home / "models" / "manifests" / f"{CHAT_MODEL}.json").read_text())
    blob = stocked_home / "models" / "blobs" / f"sha256-{shown['files'][0]['sha256']}"
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.unlink()  # it is a link to the weights of all tests
    blob.write_bytes(content)
    status, found = findings(stocked_home, SECONDBASKET_SERVER_PORT=str(free_port()))
    assert status == 1
    assert "is damaged" in found[f"Model {CHAT_MODEL}"]["found"]
    assert "Pull the model again" in found[f"Model {CHAT_MODEL}"]["mend"]


def test_the_doctor_reads_settings_clock_and_certificates(home: Path, tmp_path: Path) -> None:
    (home / "basket.toml").write_text("[server]\nprot = 1\n")
    status, found = findings(home)
    assert status == 1
    assert "server.prot" in found["Settings"]["found"]
    assert "server.port" in found["Settings"]["mend"]
    (home / "basket.toml").unlink()

    authority = trustme.CA()
    soon = authority.issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=3))
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    soon.cert_chain_pems[0].write_to_path(certificate)
    soon.private_key_pem.write_to_path(key)
    files = {
        "SECONDBASKET_SERVER_TLS_CERTIFICATE": str(certificate),
        "SECONDBASKET_SERVER_TLS_KEY": str(key),
    }
    _, found = findings(home, **files)
    assert found["TLS"]["state"] == "warning"
    authority.issue_cert("localhost").private_key_pem.write_to_path(key)
    _, found = findings(home, **files)
    assert found["TLS"]["state"] == "broken"

    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp()
    os.utime(home / "secondbasket.db", (tomorrow, tomorrow))
    _, found = findings(home)
    assert found["Clock"]["state"] == "broken"
