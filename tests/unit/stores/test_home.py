"""The home belongs to one process and one owner."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from secondbasket.errors import HomeInUse, SettingsError
from secondbasket.stores.home import Home

HOLD = """
import sys, signal
from pathlib import Path
from secondbasket.stores.home import Home
with Home(Path(sys.argv[1])).lock("basket up"):
    print("held", flush=True)
    signal.pause()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_everything_in_it_is_for_its_owner_alone(home: Home) -> None:
    home.secret("pepper")
    home.keep_local_key("sk-basket-1.x")
    with home.lock("basket up"):
        for path in home.root.rglob("*"):
            assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    assert mode(home.root) == 0o700


def test_the_lock_names_its_holder_and_dies_with_it(home: Home) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.root)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child, child.stdout:
        assert child.stdout.readline() == "held\n"
        with (
            pytest.raises(HomeInUse, match=rf"'basket up' \(process {child.pid}\)"),
            home.lock("basket key list"),
        ):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
    with (
        home.lock("basket key list"),
        pytest.raises(HomeInUse, match=str(os.getpid())),
        home.lock("basket up"),
    ):
        pass


def test_a_secret_is_drawn_once(home: Home) -> None:
    pepper = home.secret("pepper")
    assert len(pepper) == 32
    assert home.secret("pepper") == pepper
    assert Home(home.root).secret("pepper") == pepper
    assert home.secret("other") != pepper


def test_the_local_key_is_kept(home: Home) -> None:
    assert home.local_key() is None
    home.keep_local_key("sk-basket-1.first")
    home.keep_local_key("sk-basket-2.second")
    assert home.local_key() == "sk-basket-2.second"


@pytest.mark.parametrize("open_to_others", [0o755, 0o710, 0o777])
def test_an_open_home_is_closed_to_others(tmp_path: Path, open_to_others: int) -> None:
    root = tmp_path / "home"
    root.mkdir()
    (root / "basket.toml").write_text("")
    for _ in ("new", "a home already"):
        root.chmod(open_to_others)
        Home(root).create()
        assert stat.S_IMODE(root.stat().st_mode) == 0o700
        (root / "lock").touch()


def test_a_folder_of_other_things_keeps_its_mode(tmp_path: Path) -> None:
    root = tmp_path / "shared"
    root.mkdir(mode=0o755)
    (root / "holiday.jpg").write_text("")
    Home(root).create()
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "secrets").stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="SECONDBASKET_HOME"):
        Home(tmp_path / "file" / "home").create()
