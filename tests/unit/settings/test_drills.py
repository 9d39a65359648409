from pathlib import Path

import pytest

from secondbasket.errors import SettingsError
from secondbasket.settings import Settings, read_settings


def read(home: Path, table: str) -> Settings:
    (home / "basket.toml").write_text(f"[drills.weekly]\n{table}\n")
    return read_settings(home, {}).settings


def test_a_drill_of_the_settings(tmp_path: Path) -> None:
    table = 'cut = ["law:US"]\nat = "Mon 03:00"\ntime_zone = "Europe/Berlin"\nseconds = 30'
    weekly = read(tmp_path, table).drills["weekly"]
    assert (weekly.cut, weekly.at, weekly.target) == (("law:US",), "Mon 03:00", 100)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('cut = []\nat = "03:00"', "cut"),
        ('cut = ["US"]\nat = "03:00"', "KIND:NAME"),
        ('cut = ["law:US"]', "one of 'at' and 'every_hours'"),
        ('cut = ["law:US"]\nat = "03:00"\nevery_hours = 3', "one of 'at' and 'every_hours'"),
        ('cut = ["law:US"]\nat = "3 am"', "is no time such as"),
        ('cut = ["law:US"]\nat = "03:00"\ntime_zone = "Mars/Base"', "Mars/Base"),
        ('cut = ["law:US"]\nat = "03:00"\ntime_zone = "../../etc/passwd"', "is no time zone"),
        ('cut = ["law:US"]\nat = "03:00"\nlive = true', "live"),
        ('cut = ["law:US"]\nat = "03:00"\nrate = 0', "rate"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, table: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        read(tmp_path, table)
    assert "drills.weekly" in str(refused.value)
