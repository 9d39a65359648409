"""The locks are whole, and a lock that is not is found out."""

import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools import locks
from tools.startup_files import unexpected

_GOOD = """# a comment
msgspec==0.22.0 \\
    --hash=sha256:0067057df265795f742658b15dbe53f3b6f21d19dcfa53676db11088cfa41e0a \\
    --hash=sha256:024138c51afd335d0b4dce401be33902caafac2b64f8c9f2509a378986175d98
    # via secondbasket (pyproject.toml)
uvloop==0.23.0 ; sys_platform == 'no-such-platform' \\
    --hash=sha256:0067057df265795f742658b15dbe53f3b6f21d19dcfa53676db11088cfa41e0a
"""


def _lock(folder: Path, text: str) -> Path:
    path = folder / "lock.txt"
    path.write_text(text)
    return path


def test_this_repository_and_environment_hold_to_the_locks() -> None:
    assert locks.check_all() == []


def test_every_lock_pins_an_exact_version_with_hashes() -> None:
    paths = sorted((locks.ROOT / "requirements").glob("*.txt"))
    assert {path.stem for path in paths} == {"build", "run", "postgres", "dev", "duckdb", "litellm"}
    for path in paths:
        pins = locks.read_lock(path)
        assert pins
        assert all(pin.version and pin.hashes for pin in pins)


def test_a_good_lock_is_read(tmp_path: Path) -> None:
    first, second = locks.read_lock(_lock(tmp_path, _GOOD))
    assert (first.name, first.version, first.hashes, first.applies()) == (
        "msgspec",
        "0.22.0",
        2,
        True,
    )
    assert not second.applies()
    assert locks.check_lock(_lock(tmp_path, _GOOD), [Requirement("msgspec>=0.22")]) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("msgspec==0.22.0\n", "has no hash"),
        (_GOOD.replace("==0.22.0", ">=0.22.0"), "is no exact version"),
        (_GOOD.replace("0.22.0", "0.21.0"), "does not meet msgspec>=0.22"),
        (_GOOD + "# https://index.example/simple\n", "names an address"),
    ],
)
def test_a_bad_lock_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    problems = locks.check_lock(_lock(tmp_path, text), [Requirement("msgspec>=0.22")])
    assert any(complaint in problem for problem in problems)


def test_an_index_option_in_a_lock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an option has no place"):
        locks.read_lock(_lock(tmp_path, "--index-url somewhere\n" + _GOOD))


def test_an_unlocked_package_is_named() -> None:
    pins = locks.read_lock(locks.ROOT / "requirements/dev.txt")
    without = [pin for pin in pins if pin.name != "msgspec"]
    assert any("msgspec" in problem for problem in locks.check_installed(without))
    assert not any("msgspec" in problem for problem in locks.check_installed(pins))


def test_nothing_unexpected_runs_when_this_python_starts() -> None:
    site_packages = Path(sysconfig.get_paths()["purelib"])
    assert Path(sys.prefix) in site_packages.parents
    assert unexpected(site_packages, locks.ROOT / "src") == []


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("poison.pth", "import os; os.system('true')\n", "executes code"),
        ("_editable_impl_secondbasket.pth", "import os\n", "executes code"),
        ("poison.pth", "/somewhere/else\n", "adds to the import path"),
        ("_editable_impl_secondbasket.pth", "/somewhere/else\n", "points to /somewhere/else"),
        ("sitecustomize.py", "", "is run at start-up"),
        ("usercustomize.py", "", "is run at start-up"),
    ],
)
def test_a_poisoned_start_up_file_is_found(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    assert unexpected(tmp_path, Path("/src")) == []
    (tmp_path / name).write_text(text)
    (problem,) = unexpected(tmp_path, Path("/src"))
    assert complaint in problem
