"""Which databases the settings attach, and what each is: ``[tools.sql]``."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from secondbasket.apps.tools.databases.order import Order
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.options import data_class_of, read_options, refused
from secondbasket.core.data_class import DataClass

_LONGEST_SECONDS = 600.0
_MOST_ROWS = 10_000


class DatabaseOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tools.sql.databases.NAME]``. `path` is where the file of an sqlite or duckdb database
    lies; `url` leads to a PostgreSQL one and holds no password: `password_env` or
    `password_file` say where that is. `write` lets workers change it, and have a table of ours
    in it. `data_class` is the least of what it holds. `description` is for the model.
    """

    kind: Literal["sqlite", "duckdb", "postgresql"]
    path: str = ""
    url: str = ""
    password_env: str = ""
    password_file: str = ""
    write: bool = False
    data_class: str = "internal"
    description: str = ""


class SqlOptions(msgspec.Struct, frozen=True, kw_only=True):
    """``[tools.sql]``. `rows` is how many one query gives at most, `seconds` how long it may
    take."""

    databases: dict[str, DatabaseOptions] = {}
    rows: int = 200
    seconds: float = 20.0


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """A database as the tools use it: `order` is how a child is asked of it."""

    name: str
    description: str
    write: bool
    data_class: DataClass
    order: Order

    def __repr__(self) -> str:
        return f"Attached({self.name!r})"


def attached(ground: ToolGround) -> tuple[SqlOptions, Mapping[str, Attached]]:
    """The settings of the family, and its databases by name. Raises SettingsError."""
    options = read_options("sql", ground.settings, SqlOptions)
    if not 0 < options.seconds <= _LONGEST_SECONDS:
        raise refused("tools.sql.seconds", f"it must be above 0 and at most {_LONGEST_SECONDS:g}")
    if not 0 < options.rows <= _MOST_ROWS:
        raise refused("tools.sql.rows", f"it must be between 1 and {_MOST_ROWS}")
    return options, {
        name: _attach(name, table, options, ground.environment)
        for name, table in options.databases.items()
    }


def _attach(
    name: str, table: DatabaseOptions, options: SqlOptions, environment: Mapping[str, str]
) -> Attached:
    key = f"tools.sql.databases.{name}"
    where: dict[str, Any]
    if table.kind == "postgresql":
        _require_server(key, table)
        where = {"url": table.url, "password": _password(key, table, environment)}
    else:
        if table.url or not PurePath(table.path).is_absolute():
            raise refused(f"{key}.path", "it is not the absolute path of a file")
        where = {"path": table.path}
    return Attached(
        name=name,
        description=table.description,
        write=table.write,
        data_class=data_class_of(f"{key}.data_class", table.data_class),
        order=Order(
            ask="query", kind=table.kind, rows=options.rows, seconds=options.seconds, **where
        ),
    )


def _require_server(key: str, table: DatabaseOptions) -> None:
    parts = urlsplit(table.url)
    if parts.scheme not in ("postgresql", "postgres") or table.path:
        raise refused(f"{key}.url", "it does not begin with postgresql://")
    if parts.password is not None:
        raise refused(
            f"{key}.url",
            "a password in it would be shown with the settings",
            "Name the variable or the file that holds it: password_env, password_file.",
        )


def _password(key: str, table: DatabaseOptions, environment: Mapping[str, str]) -> str:
    if table.password_env and table.password_file:
        raise refused(key, "it names password_env and password_file; one is enough")
    if table.password_env:
        found = environment.get(table.password_env, "")
        if not found:
            raise refused(
                f"{key}.password_env",
                f"the variable {table.password_env} is not set",
                "Set it where the server starts, or use password_file.",
            )
        return found
    if table.password_file:
        try:
            return Path(table.password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise refused(f"{key}.password_file", f"it cannot be read: {exc}") from exc
    return ""
