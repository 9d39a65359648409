"""What only one machine has is found before it is published."""

import subprocess
from pathlib import Path

import pytest

from tools import leaks


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr(leaks, "ROOT", tmp_path)
    return tmp_path


def _commit(repository: Path, text: str) -> None:
    (repository / "page.md").write_text(text)
    subprocess.run(["git", "-C", str(repository), "add", "."], check=True)


def test_a_clean_repository_has_no_leaks(repository: Path) -> None:
    _commit(repository, "The key is sk-basket-01k…\n")
    assert leaks.check_all() == []


def test_the_path_of_the_checkout_is_found(repository: Path) -> None:
    _commit(repository, f"see {repository}/notes.txt\n")
    assert leaks.check_all() == [f"page.md: names {repository}/"]


def test_a_usable_key_is_found(repository: Path) -> None:
    _commit(repository, f"export KEY=sk-basket-key01.{'a' * 43}\n")
    assert leaks.check_all() == ["page.md: holds what looks like a usable key"]


def test_files_that_git_does_not_know_are_not_read(repository: Path) -> None:
    _commit(repository, "clean\n")
    (repository / "scratch.txt").write_text(f"{repository}/notes\n")
    assert leaks.check_all() == []
