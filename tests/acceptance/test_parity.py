"""Parity of two real upstreams: an engine of this home, and another house over HTTP."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from secondbasket.maas.parity.evals import shipped
from tests.conftest import CHAT_MODEL
from tests.running import BASKET, Running, environment

# Of the shipped cases: what the small model knows, what it does not, a schema, a tool.
_CASES = ("capital-germany", "red-planet", "sum", "product", "json-country", "tool-weather")

_SETTINGS = """\
[providers.neighbour]
base_url = "{url}/v1"
api_key_file = "{key_file}"
vendor = "The Neighbours"
law = "CH"

[upstreams.far]
provider = "neighbour"
model = "{model}"
weights_origin = "Hugging Face"
context_tokens = 2048
price_input_per_million = 1
price_output_per_million = 2

[baskets.assistant]
upstreams = ["far", "local/{model}"]
parity_floor = 0.01
parity_evals = "{evals}"
"""


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BASKET, *arguments],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def told(home: Path, *arguments: str) -> Any:
    done = run(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def two_houses(stocked_home: Path, server: Running) -> Path:
    """A home whose basket is answered by the neighbour, then by itself. No server runs on it."""
    cases = [line for line in shipped().splitlines() if json.loads(line)["id"] in _CASES]
    assert len(cases) == len(_CASES)
    evals = stocked_home / "cases.jsonl"
    evals.write_bytes(b"\n".join(cases))
    key_file = stocked_home / "neighbour.key"
    key_file.write_text(server.key)
    (stocked_home / "basket.toml").write_text(
        _SETTINGS.format(url=server.url, key_file=key_file, model=CHAT_MODEL, evals=evals)
    )
    return stocked_home


def test_two_real_upstreams_are_measured_side_by_side_and_count(
    two_houses: Path, server: Running
) -> None:
    home = two_houses
    calls_before = sum(row["calls"] for row in server.basket("usage"))
    before = {each["domain"] for each in told(home, "lint", "assistant")}
    assert {"upstream", "parity"} <= before
    done = run(home, "parity", "run", "assistant", "--json")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    far, local = measured["upstreams"]
    assert (far["upstream"], local["upstream"]) == ("far", f"local/{CHAT_MODEL}")
    assert measured["complete"]
    for each in (far, local):
        assert (each["state"], each["total"]) == ("measured", len(_CASES)), each
        assert 0 < each["low"] < each["score"] < each["high"] <= 1
        assert each["unproven"] is None
        assert each["duration_ms_p50"] > 0
    # The same weights on the same engine, whichever way they are reached.
    outcomes = [[(c["id"], c["outcome"]) for c in each["cases"]] for each in (far, local)]
    assert outcomes[0] == outcomes[1]
    assert ("product", "failed") in outcomes[0]
    assert ("json-country", "passed") in outcomes[0]
    assert "asking far" in done.stderr
    # Governed and metered, on both sides.
    [sums] = [row for row in told(home, "usage", "--by", "key") if row["key_id"] == "key_parity"]
    assert (sums["calls"], sums["cost"]) == (2 * len(_CASES), measured["cost"])
    calls_after = sum(row["calls"] for row in server.basket("usage"))
    assert calls_after == calls_before + len(_CASES)
    receipt = told(home, "receipt", far["cases"][0]["request_id"])
    assert (receipt["law"], receipt["key_name"], receipt["basket"]) == (
        "CH",
        "parity",
        "assistant",
    )
    # From here on both count, and lint says what is left to share: who made the weights.
    after = {each["domain"] for each in told(home, "lint", "assistant")}
    assert after == {"weights_origin", "machine"}
    listed = told(home, "parity", "list", "assistant")
    assert [each["id"] for each in listed] == [measured["id"]]
    kept = told(home, "parity", "show", "assistant")
    assert kept["id"] == measured["id"]
    assert "answer" not in {name for c in kept["upstreams"][0]["cases"] for name in c if c[name]}
    people = run(home, "parity", "show", measured["id"], "--verbose")
    assert "product (line" in people.stdout
    assert f"{far['passed']}/{len(_CASES)}" in people.stdout


def test_a_real_model_judges_another_house_by_the_rubric(two_houses: Path) -> None:
    file = two_houses / "judged.jsonl"
    check = {"kind": "judged", "rubric": "It names Paris.", "least": 1}
    case = {"id": "j", "prompt": "Name the capital of France.", "max_tokens": 24, "check": check}
    file.write_text(json.dumps(case))
    order = ("run", "assistant", "--evals", str(file), "--upstream", "far")
    measured = told(two_houses, "parity", *order, "--judge", CHAT_MODEL)
    [far] = measured["upstreams"]
    # Whatever so small a model thinks of it: it is a grade, and it was paid for.
    assert far["state"] == "measured", far["cases"]
    assert measured["judge"] == CHAT_MODEL
    calls = told(two_houses, "usage", "--by", "key", "--by", "upstream")
    assert {row["upstream"] for row in calls} == {"far", f"local/{CHAT_MODEL}"}
    assert far["cost"] == sum(row["cost"] for row in calls)
    itself = ("run", "assistant", "--evals", str(file), "--judge", CHAT_MODEL)
    refused = run(two_houses, "parity", *itself)
    assert refused.returncode == 1
    assert "nobody judges its own answers" in refused.stderr


def test_a_neighbour_that_is_gone_is_incomplete_and_does_not_count(two_houses: Path) -> None:
    settings = two_houses / "basket.toml"
    text = settings.read_text()
    port = text.partition("127.0.0.1:")[2].partition("/")[0]
    settings.write_text(text.replace(f":{port}/", ":9/"))
    measured = told(two_houses, "parity", "run", "assistant")
    far, local = measured["upstreams"]
    assert (far["state"], far["score"], far["passed"]) == ("incomplete", None, 0)
    assert {case["outcome"] for case in far["cases"]} == {"error"}
    assert far["unproven"] == "parity not measured"
    assert (local["state"], local["unproven"]) == ("measured", None)
    assert not measured["complete"]
    [alone, _] = told(two_houses, "lint", "assistant")
    assert alone["told"] == (f"There is no second basket: local/{CHAT_MODEL} is all that counts.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "none"), "There is no model 'none'"),
        (("run", CHAT_MODEL, "--evals", "/none.jsonl"), "/none.jsonl cannot be read"),
        (("run", CHAT_MODEL, "--upstream", "far"), "'far' is not served behind"),
        (("show", "parity_none"), "There is no parity run 'parity_none'"),
        (("show", "none"), "No parity of 'none' was measured yet"),
    ],
)
def test_a_failure_is_told_in_a_line(
    server: Running, arguments: tuple[str, ...], said: str
) -> None:
    done = run(server.home, "parity", *arguments, "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_huge_file_and_one_that_is_no_text_are_refused(server: Running, tmp_path: Path) -> None:
    file = tmp_path / "huge.jsonl"
    with file.open("wb") as huge:
        huge.truncate(17 * 1024 * 1024)
    done = run(server.home, "parity", "run", CHAT_MODEL, "--evals", str(file))
    assert done.returncode == 1
    assert "has 17,825,792 bytes; an eval file has 16,777,216 at most" in done.stderr
    file.write_bytes(b"\xff\xfe")
    done = run(server.home, "parity", "run", CHAT_MODEL, "--evals", str(file))
    assert "is not UTF-8 text" in done.stderr


def test_a_wrong_case_is_named_before_anybody_is_asked(server: Running, tmp_path: Path) -> None:
    file = tmp_path / "company.jsonl"
    file.write_text('{"id": "a", "prompt": "p", "check": {"kind": "regex", "pattern": "("}}\n')
    done = run(server.home, "parity", "run", CHAT_MODEL, "--evals", str(file))
    assert done.returncode == 1
    assert f"{file} has 1 wrong case: line 1: '(' is no regular expression" in done.stderr
