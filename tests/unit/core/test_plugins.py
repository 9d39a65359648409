"""Plug-ins as other people ship them: real distributions in a folder on the path."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from secondbasket.core.plugins import load
from secondbasket.errors import PluginError

GROUP = "secondbasket.tests_of_plugins"

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Lays a distribution as pip would: its module, its metadata, its entry points."""
    monkeypatch.syspath_prepend(tmp_path)

    def lay(distribution: str, module: str, source: str, *entries: str) -> None:
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *entries]) + "\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return lay


GOOD = "def create(colour='red'):\n    return f'a {colour} basket'\n"


def test_a_good_one_is_made_by_its_factory(install: Install) -> None:
    install("basket-good", "basket_good", GOOD, "good = basket_good:create")
    assert load(GROUP)["good"]() == "a red basket"
    assert load(GROUP, ["good"])["good"](colour="blue") == "a blue basket"


def test_named_ones_come_in_the_order_of_their_names(install: Install) -> None:
    install("basket-good", "basket_good", GOOD, "a = basket_good:create", "b = basket_good:create")
    assert list(load(GROUP, ["b", "a"])) == ["b", "a"]
    assert list(load(GROUP, [])) == []


def test_a_name_nobody_offers_is_told_with_those_there_are(install: Install) -> None:
    install("basket-good", "basket_good", GOOD, "good = basket_good:create")
    with pytest.raises(PluginError, match="'goood'") as caught:
        load(GROUP, ["goood"])
    assert "choose from: good" in caught.value.hint


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import a_library_that_is_not_here\n", "a_library_that_is_not_here"),
        ("def creat(): ...\n", "create"),
        ("def create(:\n", "invalid syntax"),
        ("raise OSError('libsilicon.so: cannot open shared object file')\n", "libsilicon"),
    ],
)
def test_a_broken_one_stops_who_named_it_and_nobody_else(
    install: Install, caplog: pytest.LogCaptureFixture, source: str, reason: str
) -> None:
    install("basket-good", "basket_good", GOOD, "good = basket_good:create")
    install("basket-broken", "basket_broken", source, "broken = basket_broken:create [gpu]")
    with pytest.raises(PluginError, match=reason) as caught:
        load(GROUP, ["good", "broken"])
    assert caught.value.hint == "Run: pip install --force-reinstall 'basket-broken[gpu]'"
    assert caught.value.__cause__ is not None
    with caplog.at_level(logging.WARNING):
        assert list(load(GROUP)) == ["good"]
    assert "basket-broken" in caplog.text


def test_a_library_missed_only_by_the_factory_is_told_alike(install: Install) -> None:
    source = "def create():\n    import a_library_that_is_not_here\n"
    install("basket-heavy", "basket_heavy", source, "heavy = basket_heavy:create")
    factory = load(GROUP, ["heavy"])["heavy"]
    with pytest.raises(PluginError, match="a_library_that_is_not_here") as caught:
        factory()
    assert "pip install" in caught.value.hint


def test_none_may_stand_in_for_another(install: Install) -> None:
    install("basket-good", "basket_good", GOOD, "cpu = basket_good:create")
    install("basket-evil", "basket_evil", GOOD, "cpu = basket_evil:create")
    for names in (None, ["cpu"]):
        with pytest.raises(PluginError, match="offer 'cpu'") as caught:
            load(GROUP, names)
        assert "basket-evil" in str(caught.value)
        assert "basket-good" in str(caught.value)
