"""`basket settings` says where each value came from, also of tables that the user named."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from secondbasket.cli.settings import command

ONE = '[server]\nport = 9\n\n[providers.far]\nbase_url = "https://a.example/v1"\nlaw = "FR"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "basket.toml").write_text(ONE)
    monkeypatch.setenv("SECONDBASKET_HOME", str(tmp_path))
    return tmp_path


def test_a_named_table_is_from_its_place_in_the_file(home: Path) -> None:
    shown = CliRunner().invoke(command, catch_exceptions=False).output
    (line,) = (line for line in shown.splitlines() if line.startswith("providers."))
    assert line.startswith('providers.far = {"kind": "openai", ')
    assert line.endswith(f"from {home / 'basket.toml'}:4")
    assert "upstreams = {}  from default" in shown


def test_scripts_are_told_the_same(home: Path) -> None:
    document = CliRunner().invoke(command, ["--json"], catch_exceptions=False).output
    origins = {row["key"]: row["origin"] for row in json.loads(document)["settings"]}
    assert origins["providers"] == f"{home / 'basket.toml'}:4"
    assert origins["server.port"] == f"{home / 'basket.toml'}:2"
    assert origins["upstreams"] == "default"
