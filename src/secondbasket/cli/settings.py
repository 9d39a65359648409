"""`basket settings`: every setting, its value, and where that came from."""

import json
from typing import Any

import click

from secondbasket.cli.home import read_home
from secondbasket.cli.output import emit, json_option, printable
from secondbasket.settings import Loaded
from secondbasket.settings.listing import Setting, all_settings, value_of

_MASK = "(set, not shown)"


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Show every setting, its value, and where that came from.

    Flags beat environment variables, those beat basket.toml in the home, and that beats the
    defaults.
    """
    loaded = read_home()
    rows = [_row(setting, loaded) for setting in all_settings()]
    if as_json:
        emit({"home": str(loaded.settings.home), "settings": rows})
        return
    click.echo(f"Home: {loaded.settings.home} (SECONDBASKET_HOME)")
    section = ""
    for row in rows:
        name = row["key"].partition(".")[0]
        if name != section:
            section = name
            click.secho(f"\n[{section}]", bold=True)
        unit = f" {row['unit']}" if row["unit"] and row["value"] is not None else ""
        shown = "not set" if row["value"] is None else f"{row['value']}{unit}"
        tables = row["value"] if row["type"] == "table" else None
        for table, value in (tables or {}).items():
            key = f"{row['key']}.{table}"
            _show(key, json.dumps(value), loaded.origins.get(key, row["origin"]))
        if not tables:
            _show(row["key"], shown, row["origin"])
        click.echo(f"    {row['description']} {row['variable']}")


def _show(key: str, value: str, origin: str) -> None:
    click.echo(f"{printable(f'{key} = {value}')}  {click.style(f'from {origin}', dim=True)}")


def _origin(key: str, loaded: Loaded) -> str:
    """Where it was given; of a table that the file gives in parts, where the first of them is."""
    beneath = (at for given, at in loaded.origins.items() if given.startswith(f"{key}."))
    return loaded.origins.get(key) or next(beneath, "default")


def _row(setting: Setting, loaded: Loaded) -> dict[str, Any]:
    value = value_of(loaded.settings, setting.key)
    return {
        "key": setting.key,
        "value": _MASK if setting.secret and value is not None else value,
        "origin": _origin(setting.key, loaded),
        "variable": setting.variable,
        "default": setting.default,
        "type": setting.kind,
        "unit": setting.unit,
        "description": setting.description,
    }
