"""Flags beat the environment, the environment beats basket.toml, and every mistake is named."""

import re
from pathlib import Path

import pytest

from secondbasket.errors import SettingsError
from secondbasket.settings import default_home, read_settings
from secondbasket.settings.listing import all_settings


def write(home: Path, text: str) -> Path:
    file = home / "basket.toml"
    file.write_text(text)
    return file


def test_defaults_hold_in_an_empty_home(tmp_path: Path) -> None:
    loaded = read_settings(tmp_path, {})
    assert (loaded.settings.server.host, loaded.settings.server.port) == ("127.0.0.1", 8400)
    assert loaded.settings.home == tmp_path
    assert loaded.origins == {}


def test_each_layer_beats_the_one_below_and_says_where_it_stands(tmp_path: Path) -> None:
    file = write(tmp_path, "[server]\nport = 1\nhost = '127.0.0.2'\n\n[log]\nlevel = 'debug'\n")
    environment = {"SECONDBASKET_SERVER_PORT": "2", "SECONDBASKET_SERVER_HOST": "127.0.0.3"}
    loaded = read_settings(tmp_path, environment, {"server.port": 3})
    assert loaded.settings.server.port == 3
    assert loaded.settings.server.host == "127.0.0.3"
    assert loaded.settings.log.level == "debug"
    assert loaded.origins["server.port"] == "option --port"
    assert loaded.origins["server.host"] == "variable SECONDBASKET_SERVER_HOST"
    assert loaded.origins["log.level"] == f"{file}:6"


@pytest.mark.parametrize(
    ("text", "key", "line", "hint"),
    [
        ("[server]\nprot = 1", "server.prot", 2, "Did you mean 'server.port'?"),
        ("[sever]\nport = 1", "sever", 1, "Did you mean 'server'?"),
        ("server.port = 'many'", "server.port", 1, ""),
        ("[log]\n\nlevel = 'loud'", "log.level", 3, ""),
        ("[prices]\nlocal_input_per_million = -1", "prices.local_input_per_million", 2, ""),
        ("[egress]\nallow = ['http://x']", "egress.allow", 2, ""),
        ("[server]\ntrusted_proxies = ['proxy']", "server.trusted_proxies", 2, ""),
        ("[upstreams.a]\nmodle = 'm'", "upstreams.a.provider", 1, "no default"),
        ("[providers.a]\nkind = 'else'", "providers.a.kind", 2, ""),
    ],
)
def test_a_mistake_in_the_file_names_key_and_line(
    tmp_path: Path, text: str, key: str, line: int, hint: str
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read_settings(tmp_path, {})
    assert f"'{key}'" in caught.value.message
    assert f"({file}:{line})" in caught.value.message
    assert hint in caught.value.hint


def test_a_typo_inside_a_named_table_finds_its_neighbour(tmp_path: Path) -> None:
    write(
        tmp_path,
        "[providers.p]\nbase_url='https://far.example/v1'\nlaw='FR'\n"
        "[upstreams.far]\nmodel='m'\nprovider='p'\n"
        "context_tokens=1000\nprice_input_per_million=1\nprice_output_per_milion=2\n",
    )
    with pytest.raises(SettingsError) as caught:
        read_settings(tmp_path, {})
    assert "price_output_per_million" in str(caught.value)


def test_an_unknown_variable_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(tmp_path, {"SECONDBASKET_SERVER_PROT": "1"})
    assert "SECONDBASKET_SERVER_PROT" in caught.value.message
    assert "SECONDBASKET_SERVER_PORT" in caught.value.hint


def test_a_bad_variable_and_a_bad_flag_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="variable SECONDBASKET_ENGINE_SLOTS"):
        read_settings(tmp_path, {"SECONDBASKET_ENGINE_SLOTS": "many"})
    with pytest.raises(SettingsError, match="option --port"):
        read_settings(tmp_path, {}, {"server.port": 99999})


def test_broken_toml_names_the_place(tmp_path: Path) -> None:
    file = write(tmp_path, "[server]\nport = \n")
    with pytest.raises(SettingsError, match=rf"{re.escape(str(file))} .*line 2"):
        read_settings(tmp_path, {})


def test_other_machines_need_consent(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"server\.allow_remote"):
        read_settings(tmp_path, {"SECONDBASKET_SERVER_HOST": "0.0.0.0"})
    consented = {"SECONDBASKET_SERVER_HOST": "::", "SECONDBASKET_SERVER_ALLOW_REMOTE": "true"}
    assert read_settings(tmp_path, consented).settings.server.host == "::"


@pytest.mark.parametrize("given", ["tls_key", "tls_certificate"])
def test_half_of_a_certificate_is_refused(tmp_path: Path, given: str) -> None:
    write(tmp_path, f"[server]\n{given} = '/etc/tls/x.pem'\n")
    with pytest.raises(SettingsError, match="go together"):
        read_settings(tmp_path, {})


def test_lists_and_tables_come_through_variables(tmp_path: Path) -> None:
    loaded = read_settings(
        tmp_path,
        {
            "SECONDBASKET_SERVER_ALLOWED_HOSTS": "ai.example, ai.internal",
            "SECONDBASKET_DATABASE_URL": "",
            "SECONDBASKET_PROVIDERS": '{"Far": {"base_url": "https://far.example/v1","law": "FR"}}',
            "SECONDBASKET_UPSTREAMS": '{"far": {'
            '"model": "m", "provider": "Far", "context_tokens": 8192,'
            '"price_input_per_million": "0.1", "price_output_per_million": "0.3"}}',
            "SECONDBASKET_BASKETS": '{"chat": {"upstreams": ["far"]}}',
        },
    )
    assert loaded.settings.server.allowed_hosts == ("ai.example", "ai.internal")
    assert loaded.settings.database.url is None
    assert loaded.settings.providers["Far"].law == "FR"
    assert loaded.settings.baskets["chat"].upstreams == ("far",)
    with pytest.raises(SettingsError, match="SECONDBASKET_BASKETS does not hold JSON"):
        read_settings(tmp_path, {"SECONDBASKET_BASKETS": "chat"})


def test_no_message_or_repr_shows_a_password(tmp_path: Path) -> None:
    url = "postgresql://user:hunter2@host/name"
    loaded = read_settings(tmp_path, {"SECONDBASKET_DATABASE_URL": url})
    assert "hunter2" not in repr(loaded.settings)
    write(tmp_path, "[database]\nurl = ['hunter2']\n")
    with pytest.raises(SettingsError) as caught:
        read_settings(tmp_path, {})
    assert "hunter2" not in str(caught.value)


def test_every_setting_explains_itself() -> None:
    for setting in all_settings():
        assert setting.description.endswith("."), setting.key
        assert setting.variable == "SECONDBASKET_" + setting.key.replace(".", "_").upper()
        if setting.key.endswith(("_bytes", "_seconds", "_tokens", "_mib", "_per_million")):
            assert setting.unit, setting.key


def test_the_home_is_named_by_its_variable_or_the_platform() -> None:
    assert default_home({"SECONDBASKET_HOME": "/srv/basket"}) == Path("/srv/basket")
    assert default_home({}).name == "secondbasket"
