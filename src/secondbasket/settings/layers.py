"""Where settings come from: flags, then the environment, then basket.toml, then defaults."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import platformdirs
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from secondbasket.errors import SettingsError
from secondbasket.settings.listing import Setting, all_settings, fields_of_tables
from secondbasket.settings.references import mistakes
from secondbasket.settings.tree import Settings

HOME_VARIABLE = "SECONDBASKET_HOME"
FILE_NAME = "basket.toml"
_PREFIX = "SECONDBASKET_"


class Loaded(msgspec.Struct, frozen=True):
    """`origins` says for each key that was given where: a flag, a variable, or file and line."""

    settings: Settings
    origins: Mapping[str, str]


def default_home(environment: Mapping[str, str]) -> Path:
    """`SECONDBASKET_HOME`, or the platform's folder for a user's data."""
    named = environment.get(HOME_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    return platformdirs.user_data_path("secondbasket", appauthor=False)


def read_settings(
    home: Path, environment: Mapping[str, str], flags: Mapping[str, object] | None = None
) -> Loaded:
    """The settings in force. `flags` maps dotted keys to what the command line gave.

    Raises SettingsError naming the key, where it came from, and for an
    unknown one the nearest that exists.
    """
    tree, origins = _from_file(home / FILE_NAME)
    for key, value, origin in (*_from_environment(environment), *_from_flags(flags or {})):
        _place(tree, key, value)
        origins[key] = origin
    try:
        loaded = Settings.model_validate({**tree, "home": home})
    except ValidationError as exc:
        raise _explain(exc.errors(), origins) from exc
    for mistake in mistakes(loaded):
        raise _refused(mistake.path, mistake.given, mistake.reason, origins)
    return Loaded(loaded, origins)


def _from_flags(flags: Mapping[str, object]) -> Iterable[tuple[str, object, str]]:
    for key, value in flags.items():
        yield key, value, f"option --{key.rpartition('.')[2].replace('_', '-')}"


def _from_environment(environment: Mapping[str, str]) -> Iterable[tuple[str, object, str]]:
    known = {setting.variable: setting for setting in all_settings()}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(_PREFIX) or variable == HOME_VARIABLE:
            continue
        setting = known.get(variable)
        if setting is None:
            raise SettingsError(
                f"There is no setting behind the environment variable {variable}.",
                hint=_nearest(variable, [*known, HOME_VARIABLE]),
            )
        yield setting.key, _parse(setting, text), f"variable {variable}"


def _parse(setting: Setting, text: str) -> object:
    """A variable is text: lists are separated by commas, tables are JSON, empty means not set."""
    if setting.many:
        return [part.strip() for part in text.split(",") if part.strip()]
    if setting.kind == "table":
        try:
            return json.loads(text)
        except ValueError as exc:
            raise SettingsError(
                f"The environment variable {setting.variable} does not hold JSON: {exc}.",
                hint=f"It takes the table [{setting.key}] as one JSON object.",
            ) from exc
    if text == "" and setting.default is None:
        return None
    return text


def _from_file(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, {}
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path} cannot be read: {exc}.") from exc
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(
            f"{path} is not valid TOML: {exc}.", hint="Text values need quotes."
        ) from exc
    if "home" in tree:
        raise SettingsError(
            f"{path} sets 'home', the folder it lies in.", hint=f"Set {HOME_VARIABLE} instead."
        )
    return tree, {key: f"{path}:{line}" for key, line in _lines(text)}


_TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_ENTRY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")


def _lines(text: str) -> Iterable[tuple[str, int]]:
    """(dotted key, line) of each table and entry; `tomllib` keeps no positions."""
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = re.sub(r"[\"'\s]", "", header[1])
            yield table, number
        elif entry := _ENTRY.match(line):
            name = re.sub(r"[\"']", "", entry[1])
            yield f"{table}.{name}" if table else name, number


def _place(tree: dict[str, Any], key: str, value: object) -> None:
    *sections, name = key.split(".")
    for section in sections:
        inner = tree.get(section)
        if not isinstance(inner, dict):
            inner = tree[section] = {}
        tree = inner
    tree[name] = value


def _explain(errors: list[ErrorDetails], origins: Mapping[str, str]) -> SettingsError:
    """The first error, in words; the others can wait until it is mended."""
    error = errors[0]
    path = [str(part) for part in error["loc"]]
    key = ".".join(path)
    origin = _origin(path, origins)
    if error["type"] == "extra_forbidden":
        hint = _nearest(key, _known_keys(path))
        return SettingsError(f"There is no setting '{key}'{origin}.", hint=hint, param=key)
    if error["type"] == "missing":
        return SettingsError(f"'{key}' is missing{origin}.", hint="It has no default.", param=key)
    reason = error["msg"].removeprefix("Value error, ").replace("Input should", "it should", 1)
    return _refused(path, error["input"], reason, origins)


def _refused(
    path: Sequence[str], given: object, reason: str, origins: Mapping[str, str]
) -> SettingsError:
    key = ".".join(path)
    secret = any(setting.secret for setting in all_settings() if setting.key == key)
    shown = "" if secret else f" = {given!r}"
    return SettingsError(
        f"'{key}'{shown} is refused{_origin(path, origins)}: {reason}.",
        hint="`basket settings` explains each setting.",
        param=key,
    )


def _origin(path: Sequence[str], origins: Mapping[str, str]) -> str:
    """Where the innermost part of `path` that was given stands."""
    for length in range(len(path), 0, -1):
        origin = origins.get(".".join(path[:length]))
        if origin is not None:
            return f" ({origin})"
    return ""


def _known_keys(path: list[str]) -> list[str]:
    keys = [setting.key for setting in all_settings()]
    keys += dict.fromkeys(key.partition(".")[0] for key in keys)
    for table, fields in fields_of_tables().items():
        depth = table.count(".") + 1
        if len(path) > depth:
            keys += [field.key.replace("NAME", path[depth]) for field in fields]
    return keys


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listing = "`basket settings` lists all."
    return f"Did you mean '{near[0]}'? {listing}" if near else listing
