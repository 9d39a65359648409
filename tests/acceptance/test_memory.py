"""`basket memory` against the running server: told, recalled, corrected, erased, with receipts."""

import subprocess
from uuid import uuid4

from tests.running import BASKET, Running, environment


def run(server: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BASKET, "memory", *arguments],
        env=environment(server.home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_people_tell_read_correct_and_erase(server: Running) -> None:
    press, ann = f"press {uuid4().hex[:8]}", f"ann-{uuid4().hex[:6]}"
    about = ("--subject", press, "--predicate", "pressure limit")
    told = server.basket("memory", "add", *about, "--object", "5 bar", "--by", ann)
    assert told["outcome"] == "kept"
    now = server.basket("memory", "add", *about, "--object", "6 bar", "--by", ann)
    assert (now["outcome"], now["superseded"]) == ("superseded", [told["id"]])

    (found,) = [
        each
        for each in server.basket("memory", "recall", f"how much force may {press} be run with")
        if each["memory"]["subject"] == press
    ]
    assert found["memory"]["object"] == "6 bar"
    assert found["memory"]["state"] == "present"
    assert "meaning" in found["found_by"], "the gateway's embedding model had no part in it"

    done = server.basket("memory", "correct", now["id"], "--object", "7 bar", "--by", ann)
    assert done["memory"]["object"] == "7 bar"
    story = server.basket("memory", "show", done["memory"]["id"])
    assert [each["state"] for each in story] == ["present", "contradicted", "corrected"]
    shown = run(server, "show", done["memory"]["id"])
    assert "person:" + ann in shown.stdout

    receipt = server.basket("memory", "erase", f"person:{ann}")
    assert receipt["memories"] == 3
    assert receipt["places"]["memories"] == 3
    assert server.basket("memory", "list", "--source", f"person:{ann}", "--history") == []
    gone = run(server, "show", done["memory"]["id"])
    assert gone.returncode == 1
    assert "There is no memory" in gone.stderr


def test_what_is_not_worth_keeping_says_why(server: Running) -> None:
    kept = run(server, "add", "Good morning everyone!", "--kind", "episode", "--by", "ann")
    assert kept.returncode == 0
    assert kept.stdout == "refused: it is a courtesy\n"
    wrong = run(server, "add", "--kind", "fact", "--by", "ann")
    assert wrong.returncode == 1
    assert "a fact needs a subject, a predicate and an object" in wrong.stderr
    source = run(server, "erase", "ann")
    assert source.returncode == 1
    assert "KIND:ID" in source.stderr


def test_one_memory_is_forgotten_and_the_figures_are_shares(server: Running) -> None:
    lamp = f"lamp {uuid4().hex[:8]}"
    about = ("--subject", lamp, "--predicate", "colour", "--object", "green")
    told = server.basket("memory", "add", *about, "--by", "bo")
    assert run(server, "list").stdout.count(lamp) == 1
    receipt = server.basket("memory", "forget", told["id"])
    assert (receipt["reason"], receipt["memories"], receipt["derived"]) == ("forgotten", 1, 0)
    figures = server.basket("memory", "hygiene")
    assert all(0 <= figures[name] <= 1 for name in ("junk", "duplicate", "never_used"))
    assert "were contradicted or corrected" in run(server, "hygiene").stdout
