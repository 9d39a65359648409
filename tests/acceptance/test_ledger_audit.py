"""Case 24 against the real product: the ledger is attacked behind its back, and exposed by heads
that were kept on another host."""

import hmac
import json
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from msgspec import to_builtins

from secondbasket.core.canonical import canonical
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home
from tests.databases import migrate_to, receipt
from tests.running import BASKET, Running, basket, environment, running


@dataclass
class OtherHost:
    """What another host keeps: the heads that were posted to it, and those on its share."""

    share: Path
    posted: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @property
    def settings(self) -> dict[str, str]:
        return {
            "SECONDBASKET_LEDGER_HEAD_SECONDS": "0.2",
            "SECONDBASKET_LEDGER_HEAD_FILE": str(self.share),
            "SECONDBASKET_LEDGER_HEAD_PUSH_URLS": self.url,
        }

    @property
    def heads(self) -> Path:
        [file] = self.share.glob("heads-ledger_*.jsonl")
        return file


@pytest.fixture
def other_host(tmp_path: Path) -> Iterator[OtherHost]:
    share = tmp_path / "share"
    share.mkdir()
    host = OtherHost(share)

    class Keep(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            host.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing to say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Keep) as server:
        host.url = f"http://127.0.0.1:{server.server_address[1]}/heads"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield host
        server.shutdown()
        thread.join()


def verify(home: Path | None, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """Exit status and report of `basket ledger verify`; without a home there is none to use."""
    done = subprocess.run(
        [BASKET, "ledger", "verify", *map(str, arguments), "--json"],
        env=environment(home or Path("/nonexistent")),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    report = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    assert ("error" in report) or (report["sound"] == (done.returncode == 0)), done.stderr
    return done.returncode, report


def kinds(report: dict[str, Any]) -> set[tuple[str, int | None]]:
    return {(each["kind"], each["entry"]) for each in report["problems"]}


@contextmanager
def database(home: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(home / "secondbasket.db")) as connection:
        connection.row_factory = sqlite3.Row
        with connection:
            yield connection


def rewrite(home: Path) -> None:
    """Where calls went is another place, and every hash after it is made anew, as a careful forger
    with all rights on the machine would do it."""
    with database(home) as connection:
        connection.execute("DELETE FROM tree_heads")
        connection.execute("UPDATE decisions SET subject = 'forged' WHERE kind = 'egress'")
        previous = "0" * 64
        rows = connection.execute("SELECT * FROM decisions ORDER BY sequence").fetchall()
        for row in rows:
            content = {name: value for name, value in dict(row).items() if name != "hash"}
            content["previous"] = previous
            previous = sha256(canonical(content)).hexdigest()
            connection.execute(
                "UPDATE decisions SET previous = ?, hash = ? WHERE id = ?",
                (content["previous"], previous, row["id"]),
            )
        connection.execute("UPDATE chain_tail SET hash = ?", (previous,))


def test_24_a_rewritten_ledger_is_exposed_by_heads_on_another_host(
    stocked_home: Path, other_host: OtherHost, tmp_path: Path
) -> None:
    with running(stocked_home, settings=other_host.settings) as server:
        server.basket("chat", "--max-tokens", "4", "Hello")
        key = server.basket("key", "create", "--name", "ann")["id"]
        head = server.basket("ledger", "head", "--push")
        assert head in other_host.posted
        status, report = verify(server.home)
        assert (status, report["problems"]) == (0, [])
        assert report["receipts"] == 1
        told = server.basket("status")["ledger"]
        assert told["head"]["size"] >= head["size"]
        assert [push["failure"] for push in told["pushes"]] == [""]
        assert server.basket("key", "revoke", key)["id"] == key
    pem = tmp_path / "ledger.pem"
    pem.write_text(basket_text(stocked_home, "ledger", "key", "show", "--pem"))

    # Stopping signed what came last, without being asked, and sent it.
    export = tmp_path / "ledger.jsonl"
    basket(stocked_home, "ledger", "export", str(export), "--json")
    kept = ("--head", other_host.heads, "--public-key", pem)
    for where in ((stocked_home,), (None, export)):
        status, report = verify(*where, *kept)
        assert (status, report["problems"]) == (0, [])
        assert report["covered"] >= other_host.posted[-1]["size"]
    assert report["covered"] == report["entries"]

    rewrite(stocked_home)
    assert verify(stocked_home)[0] == 0  # in itself it is sound: nothing on this machine tells
    status, report = verify(stocked_home, *kept)
    assert status == 1
    assert "rewritten" in {kind for kind, _ in kinds(report)}

    # What was pushed tells as well as the share does, and so does the export of the forgery.
    posted = tmp_path / "posted.jsonl"
    posted.write_text("".join(json.dumps(each) + "\n" for each in other_host.posted))
    assert verify(stocked_home, "--head", posted)[0] == 1
    basket(stocked_home, "ledger", "export", str(export), "--json")
    status, report = verify(None, export, "--head", posted, "--public-key", pem)
    assert (status, {kind for kind, _ in kinds(report)}) == (1, {"rewritten"})


def test_24_edits_and_removals_are_named_on_the_command_line(home: Path) -> None:
    for name in ("ann", "bob", "eve"):
        basket(home, "key", "create", "--name", name, "--json")
    basket(home, "ledger", "head", "--json")
    assert verify(home) == (0, verify(home)[1])
    with database(home) as connection:
        connection.execute("UPDATE decisions SET detail = '{}' WHERE sequence = 3")
        connection.execute("DELETE FROM decisions WHERE sequence = 4")
    done = subprocess.run(
        [BASKET, "ledger", "verify"],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "edited: Entry 3 (key_created" in done.stdout
    assert "missing: Entry 4 is missing." in done.stdout
    assert "The ledger is not what it was" in done.stderr
    assert kinds(verify(home)[1]) == {("edited", 3), ("missing", 4)}


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE keys SET role = 'admin' WHERE name = 'ann'",
        "UPDATE keys SET budget = 10 * budget WHERE name = 'ann'",
        "UPDATE keys SET data_class = 'public' WHERE name = 'ann'",
        "UPDATE keys SET expires_at = NULL WHERE name = 'ann'",
        "UPDATE keys SET revoked_at = NULL WHERE name = 'eve'",
        "DELETE FROM keys WHERE name = 'ann'",
    ],
)
def test_24_rights_that_no_decision_gave_are_named(home: Path, edit: str) -> None:
    rights = ("--budget", "5", "--expires", "30d", "--data-class", "confidential")
    basket(home, "key", "create", "--name", "ann", *rights, "--json")
    eve = basket(home, "key", "create", "--name", "eve", "--json")
    basket(home, "key", "revoke", eve["id"], "--json")
    assert verify(home)[0] == 0
    with database(home) as connection:
        assert connection.execute(edit).rowcount == 1
    status, report = verify(home)
    assert (status, kinds(report)) == (1, {("keys_changed", None)})


def test_24_an_older_backup_is_a_truncation_against_newer_heads(
    home: Path, other_host: OtherHost, tmp_path: Path
) -> None:
    share = {"SECONDBASKET_LEDGER_HEAD_FILE": str(other_host.share)}
    file = tmp_path / "home.tar"

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [BASKET, *arguments, "--json"],
            env=environment(home, **share),
            capture_output=True,
            timeout=120,
            check=True,
        )
        return json.loads(done.stdout)

    run("key", "create", "--name", "ann")
    first = run("ledger", "head")
    run("backup", str(file))
    run("key", "create", "--name", "bob")
    second = run("ledger", "head")
    assert second["size"] > first["size"]
    run("restore", str(file), "--force")
    status, report = verify(home, "--head", other_host.heads)
    assert (status, kinds(report)) == (1, {("truncated", first["size"] + 1)})
    assert f"covers {second['size']} entries" in str(report["problems"])
    # Going on from the backup, the ledger itself tells that it was restored.
    run("key", "create", "--name", "carl")
    status, report = verify(home, "--head", other_host.heads)
    assert status == 1
    with database(home) as connection:
        [row] = connection.execute("SELECT * FROM decisions WHERE kind = 'home_restored'")
    assert row["sequence"] == first["size"] + 1
    assert verify(home)[0] == 0


def old_home(home: Path) -> str:
    """A home as the version before the chain left it: a key, decisions, receipts. The secret."""
    place = Home(home)
    place.create()
    pepper = place.secret("pepper")
    secret = "sk-basket-key_old.x"
    store = Database(f"sqlite:///{place.database_file}")
    anyio.run(store.write, partial(migrate_to, "0002"))
    store.close()
    with database(home) as connection:
        connection.execute(
            "INSERT INTO keys (id, name, role, hmac, currency, created_at) VALUES"
            " ('key_old', 'ann', 'admin', ?, 'USD', '2026-01-01T00:00:00.000Z')",
            (hmac.digest(pepper, secret.encode(), "sha256").hex(),),
        )
        connection.execute(
            "INSERT INTO decisions VALUES ('dec_old', '2026-01-01T00:00:00.000Z', 'key_created',"
            " 'key_old', 'done', '{}')"
        )
        rows = [to_builtins(receipt(key_id="key_old")) for _ in range(3)]
        columns = [name for name in rows[0] if name not in ("hops", "passed_over")]
        connection.executemany(
            f"INSERT INTO receipts ({', '.join(columns)})"
            f" VALUES ({', '.join('?' for _ in columns)})",
            [[row[name] for name in columns] for row in rows],
        )
        connection.execute(
            "INSERT INTO rollups SELECT substr(created_at, 1, 13), key_id, basket, upstream,"
            " currency, count(*), sum(input_tokens), sum(output_tokens), sum(cached_input_tokens),"
            " sum(cost) FROM receipts GROUP BY 1, 2, 3, 4, 5"
        )
    return secret


def test_an_upgrade_chains_what_an_older_home_holds(stocked_home: Path) -> None:
    secret = old_home(stocked_home)
    status, report = verify(stocked_home)
    assert status == 1
    assert "basket upgrade" in report["error"]
    upgraded = basket(stocked_home, "upgrade", "--json")
    assert upgraded["schema_before"] == "0002"
    status, report = verify(stocked_home)
    assert (status, report["problems"]) == (0, [])
    assert (report["entries"], report["receipts"]) == (3, 3)
    with running(stocked_home) as server:
        answer = httpx2.get(
            f"{server.url}/v1/models", headers={"Authorization": f"Bearer {secret}"}
        )
        assert answer.status_code == 200
        [pepper] = server.basket("key", "peppers")
        assert "key_old" in pepper["keys"]
    status, report = verify(stocked_home)
    assert (status, report["problems"]) == (0, [])
    assert report["covered"] == report["entries"]
    with database(stocked_home) as connection:
        [row] = connection.execute("SELECT * FROM decisions WHERE kind = 'schema_upgraded'")
    assert row["sequence"] == 4
    with database(stocked_home) as connection:
        connection.execute("UPDATE receipts SET cost = 1 WHERE key_id = 'key_old'")
    assert ("receipts_changed", 3) in kinds(verify(stocked_home)[1])


def test_keys_are_rotated_and_recovered_on_the_command_line(home: Path, tmp_path: Path) -> None:
    first = basket(home, "ledger", "head", "--json")["signature"]["key"]
    pem = tmp_path / "first.pem"
    pem.write_text(basket_text(home, "ledger", "key", "show", "--pem"))
    rotated = basket(home, "ledger", "key", "rotate", "--json")
    assert [each["signed"] for each in rotated["keys"]] == [False, True]
    assert rotated["keys"][1]["after"] == first
    assert verify(home, "--public-key", pem)[0] == 0

    (home / "secrets" / "signing.pem").unlink()
    refused = subprocess.run(
        [BASKET, "ledger", "head"],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert refused.returncode == 1
    assert "basket ledger key rotate --lost" in refused.stderr
    recovered = basket(home, "ledger", "key", "rotate", "--lost", "--json")
    assert [each["signed"] for each in recovered["keys"]] == [False, True, False]
    status, report = verify(home)
    assert status == 0
    assert "no earlier key signed that" in str(report["notes"])
    status, report = verify(home, "--public-key", pem)
    assert (status, {kind for kind, _ in kinds(report)}) == (1, {"bad_key"})


def test_peppers_are_rotated_on_the_command_line(home: Path) -> None:
    key = basket(home, "key", "create", "--name", "ann", "--json")["id"]
    [before] = basket(home, "key", "peppers", "--json")
    after, kept = basket(home, "key", "rotate-pepper", "--json")
    assert (after["current"], after["keys"]) == (True, [])
    assert (kept["id"], kept["present"], kept["keys"]) == (before["id"], True, [key])
    (home / "secrets" / f"pepper-{before['id']}").unlink()
    people = basket_text(home, "key", "peppers")
    assert "missing: they cannot be checked" in people
    [only] = basket(home, "key", "rotate-pepper", "--revoke-lost", "--json")
    assert only["current"]
    assert basket(home, "key", "list", "--json")[0]["revoked_at"] is not None


def test_a_killed_server_goes_on_where_its_ledger_ended(
    stocked_home: Path, other_host: OtherHost
) -> None:
    with running(stocked_home, settings=other_host.settings) as server:
        server.basket("chat", "--max-tokens", "4", "Hello")
        server.process.kill()
        server.process.wait()
    with running(stocked_home, settings=other_host.settings) as server:
        server.basket("chat", "--max-tokens", "4", "Hello")
        until_covered(server)
    status, report = verify(stocked_home, "--head", other_host.heads)
    assert (status, report["problems"], report["receipts"]) == (0, [], 2)


def until_covered(server: Running) -> None:
    """Wait for a head of everything; what is pushed is itself recorded once."""
    deadline = time.monotonic() + 30
    while True:
        report = verify(server.home)[1]
        if report["covered"] == report["entries"]:
            return
        assert time.monotonic() < deadline, report
        time.sleep(0.2)


def test_verify_needs_something_to_verify(home: Path, tmp_path: Path) -> None:
    status, report = verify(home)
    assert status == 1
    assert "There is no ledger" in report["error"]
    no_export = tmp_path / "x.jsonl"
    no_export.write_text("{}\n")
    status, report = verify(None, no_export)
    assert status == 1
    assert "not a whole export" in report["error"]
    assert not (home / "secondbasket.db").exists()


def test_a_cut_export_is_refused(home: Path, tmp_path: Path) -> None:
    basket(home, "key", "create", "--name", "ann", "--json")
    export = tmp_path / "x.jsonl"
    basket(home, "ledger", "export", str(export), "--json")
    assert export.stat().st_mode & 0o077 == 0
    lines = export.read_bytes().splitlines(keepends=True)
    for cut in (lines[:-1], lines[:1], lines[:1] + lines[2:], [*lines, lines[1]]):
        shorter = tmp_path / "cut.jsonl"
        shorter.write_bytes(b"".join(cut))
        status, report = verify(None, shorter)
        assert status == 1
        assert "not a whole export" in report["error"]
    changed = export.read_bytes().replace(b'"kind":"key_created"', b'"kind":"key_deleted"')
    export.write_bytes(changed)
    assert kinds(verify(None, export)[1]) == {("edited", 2)}


def basket_text(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [BASKET, *arguments],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout
