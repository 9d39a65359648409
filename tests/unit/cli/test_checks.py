"""What `basket doctor` says of a set-up before anything is started."""

from pathlib import Path

from secondbasket.cli.checks import provider_keys
from secondbasket.settings import read_settings

TWO = """
[providers.named]
base_url = "https://a.example/v1"
law = "FR"
api_key_env = "A_KEY"

[providers.filed]
base_url = "https://b.example/v1"
law = "FR"
api_key_file = "{file}"

[providers.open]
base_url = "https://c.example/v1"
law = "FR"
"""


def test_a_provider_whose_key_is_not_where_it_should_be_is_told(tmp_path: Path) -> None:
    file = tmp_path / "b.key"
    (tmp_path / "basket.toml").write_text(TWO.format(file=file))
    settings = read_settings(tmp_path, {}).settings

    named, filed = provider_keys(settings, {})
    assert (named.check, named.state) == ("Provider named", "warning")
    assert "A_KEY" in named.found
    assert (filed.check, filed.state) == ("Provider filed", "broken")
    assert "No such file" in filed.found

    file.write_text(" \n")
    (empty,) = provider_keys(settings, {"A_KEY": "k"})
    assert "is empty" in empty.found

    file.write_text("k\n")
    assert list(provider_keys(settings, {"A_KEY": "k"})) == []
