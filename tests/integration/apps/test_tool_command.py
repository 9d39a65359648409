"""`basket tool`, as a person and as a script call it, in a home with settings."""

import json
import subprocess
import sys
from pathlib import Path

SETTINGS = """
[tools.http]
allow = ["https://api.example.com"]

[tools.sql.databases.sales]
kind = "postgresql"
url = "postgresql://worker@db.example/sales"
data_class = "confidential"
"""


def basket(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("basket")), "tool", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_tools_are_listed_and_shown(home: Path) -> None:
    (home / "basket.toml").write_text(SETTINGS)
    listed = basket("list", "--json")
    assert listed.returncode == 0, listed.stderr
    tools = {tool["name"]: tool for tool in json.loads(listed.stdout)}
    assert {"calculator", "files.read", "http.post", "python.run", "sql.query"} <= set(tools)
    assert "sql.execute" not in tools, "nobody granted it"
    assert tools["http.post"]["effect"] == "external"
    assert tools["sql.query"]["data_class"] == "confidential"
    shown = basket("show", "http.get")
    assert "Its arguments leave the house." in shown.stdout
    assert "https://api.example.com" in shown.stdout
    missing = basket("show", "http.gett")
    assert missing.returncode == 1
    assert "Did you mean 'http.get'?" in missing.stderr


def test_a_wrong_setting_stops_the_start_by_its_name(home: Path) -> None:
    (home / "basket.toml").write_text("[tools.sandbox]\nmemory_mb = 100\n")
    told = basket("list")
    assert told.returncode == 1
    assert "'tools.sandbox.memory_mb'" in told.stderr
    assert "Did you mean 'memory_mib'?" in told.stderr
