"""`basket documents` with the real small embedding model, with a server and without one."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import papers
from tests.running import BASKET, Running, environment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    papers.docx(folder / "handbook.docx")
    papers.pptx(folder / "plan.pptx")
    papers.pdf(folder / "offer.pdf", ["We offer forty chairs.", "Delivery takes six weeks."])
    (folder / "manual.html").write_text(papers.HTML)
    return folder


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BASKET, "documents", *arguments],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def answer(home: Path, *arguments: str) -> Any:
    done = command(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_added_searched_listed_erased(server: Running, folder: Path) -> None:
    collection = ("--collection", "house")
    done = answer(server.home, "add", str(folder), *collection, "--data-class", "confidential")
    assert (done["added"], done["unreadable"]) == (4, [])
    [shown] = [each for each in answer(server.home, "list") if each["name"] == "house"]
    assert (shown["data_class"], shown["documents"]) == ("confidential", 4)
    assert shown["embedding"] == "all-minilm-l6-v2"
    kinds = {each["kind"] for each in answer(server.home, "list", *collection)}
    assert kinds == {"docx", "pptx", "pdf", "html"}

    # 'vacation' and 'how long' are in none of the files: it is found by what it means.
    found = answer(server.home, "search", "how much vacation do I get", *collection)
    assert found["by"] == "words and meaning"
    assert found["found"][0]["source"] == str(folder / "handbook.docx")
    assert found["found"][0]["place"] == "Handbook > Holidays"
    people = command(server.home, "search", "delivery", *collection)
    assert f"1. {folder}/offer.pdf, page 2" in people.stdout

    [usage] = [
        each for each in server.basket("usage", "--by", "key") if each["key_id"] == "key_documents"
    ]
    assert usage["calls"] >= 5
    assert usage["cost"] > 0

    erased = answer(server.home, "rm", str(folder / "offer.pdf"), *collection)
    assert (erased["passages"], erased["vectors"], erased["words"]) == (2, 2, 2)
    gone = answer(server.home, "rm", "--all", *collection)
    assert len(gone["sources"]) == 3
    assert command(server.home, "search", "delivery", *collection).returncode == 1


def test_a_bad_file_is_named_and_the_status_says_so(server: Running, folder: Path) -> None:
    (folder / "empty.md").touch()
    done = command(server.home, "add", str(folder), "--collection", "bad")
    assert done.returncode == 1
    assert "4 added" in done.stdout
    assert f"{folder}/empty.md cannot be read. It is empty." in done.stderr
    assert "1 of the files could not be read" in done.stderr
    assert command(server.home, "rm", "--collection", "bad").returncode == 1
    answer(server.home, "rm", "--all", "--collection", "bad")


def test_without_a_server(stocked_home: Path, folder: Path) -> None:
    assert "no documents yet" in command(stocked_home, "list").stdout
    assert answer(stocked_home, "add", str(folder))["added"] == 4
    found = answer(stocked_home, "search", "which button do I push", "--limit", "1")["found"]
    assert [Path(each["source"]).name for each in found] == ["manual.html"]
    assert len(answer(stocked_home, "rm", "--all")["sources"]) == 4


def test_a_passage_of_more_tokens_than_the_model_takes(server: Running, tmp_path: Path) -> None:
    """Each of these letters is a token; a thousand are twice what the model reads at once."""
    (tmp_path / "dense.txt").write_text(
        "天地玄黃宇宙洪荒" * 120 + "\n\nThe harbour closes at nine."
    )
    (tmp_path / "plain.txt").write_text("The museum opens at ten.")
    collection = ("--collection", "dense")
    done = answer(server.home, "add", str(tmp_path), *collection)
    assert (done["added"], done["unreadable"]) == (2, [])
    found = answer(server.home, "search", "closing time of the port", *collection)["found"]
    assert "harbour" in found[0]["text"]
    answer(server.home, "rm", "--all", *collection)
