"""The checker of documents sees what is wrong with a page."""

from pathlib import Path

import pytest

from tools import documents


def _page(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(documents, "ROOT", folder)
    path = folder / "page.md"
    path.write_text(text)
    return path


def test_a_transcript_is_commands_and_their_output() -> None:
    assert documents.transcript("$ one \\\n> more\nout\n\nput\n$ two\n") == [
        ("one \\\nmore", "out\n\nput\n"),
        ("two", ""),
    ]


@pytest.mark.parametrize(
    ("fence", "wrong"),
    [
        ("sh\nif true\n", "syntax error"),
        ("console\n$ echo 'open\n", "unexpected EOF"),
        ("python\ndef f(:\n", "invalid syntax"),
        ("json\n{'a': 1}\n", "property name"),
        ("toml\na = \n", "Invalid value"),
    ],
)
def test_an_example_that_does_not_parse_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fence: str, wrong: str
) -> None:
    path = _page(tmp_path, f"words\n\n```{fence}```\n", monkeypatch)
    (block,) = documents.blocks(path)
    complaint = documents.check_block(block)
    assert complaint is not None
    assert complaint.startswith("page.md:3")
    assert wrong in complaint


def test_marks_follow_the_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _page(tmp_path, "```console runnable\n$ true\n```\n", monkeypatch)
    (block,) = documents.blocks(path)
    assert block.language == "console"
    assert block.marks == {"runnable"}
    assert block.commands() == ["true"]
    assert documents.check_block(block) is None


def test_links_that_lead_nowhere_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# Good heading\n[a](gone.md) [b](#good-heading) [c](#bad) [d](https://example.org)\n"
    path = _page(tmp_path, text, monkeypatch)
    assert list(documents.check_links(path)) == [
        "page.md: link to gone.md, which does not exist",
        "page.md: #bad has no such heading",
    ]


def test_a_source_file_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _page(
        tmp_path, "`core/ports.py`, `core/`, `maas/gone.py` and `some words`\n", monkeypatch
    )
    assert list(documents.check_places(path)) == [
        "page.md: names maas/gone.py, which does not exist"
    ]
