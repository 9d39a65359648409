"""docs/tools.md says of every tool and setting what the code says."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secondbasket.apps.tools import calculator, files, http, sandbox, sql
from secondbasket.apps.tools.bubblewrap import Limits
from secondbasket.apps.tools.files import FileOptions
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.http import HttpOptions
from secondbasket.apps.tools.sql_options import DatabaseOptions, SqlOptions
from secondbasket.core.tool import ToolFacts
from tests.grounds import no_session

PAGE = (Path(__file__).parents[3] / "docs" / "tools.md").read_text()
SETTINGS: dict[str, dict[str, Any]] = {
    "http": {"allow": ["https://api.example.com"], "data_class": "confidential", "keyed": True},
    "sql": {"databases": {"a": {"kind": "sqlite", "path": "/a", "write": True}}},
}
SET = {"sql.": "of the database", "http.": "as set"}


def built_in() -> list[ToolFacts]:
    families = {
        "calculator": calculator.create,
        "files": files.create,
        "http": http.create,
        "sandbox": sandbox.create,
        "sql": sql.create,
    }
    found = []
    for name, create in families.items():
        ground = ToolGround(session=no_session, settings=SETTINGS.get(name, {}), programs=Path("/"))
        found += [tool.facts for tool in create(ground)]
    return found


def rows(head: str) -> dict[str, list[str]]:
    """The table whose first column is headed `head`: its rows by their first cell."""
    table = PAGE.split(f"| {head} |", 1)[1].split("\n\n", 1)[0]
    lines = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in lines}


def yes(fact: bool) -> str:
    return "yes" if fact else "no"


def test_the_page_lists_the_tools_there_are() -> None:
    expected = {}
    for facts in built_in():
        kind = next((told for start, told in SET.items() if facts.name.startswith(start)), None)
        once = yes(facts.effect == "read" or facts.takes_key)
        expected[facts.name] = [
            facts.effect + ", own folder" * facts.confined,
            kind or facts.data_class.label,
            yes(facts.from_outside),
            yes(facts.egress),
            "as set" if facts.name == "http.post" else once,
            f"{facts.limit_seconds:g} s",
        ]
    assert rows("Tool") == expected


@pytest.mark.parametrize(
    ("place", "options"),
    [
        ("tools.files", FileOptions),
        ("tools.sql", SqlOptions),
        ("tools.sql.databases.NAME", DatabaseOptions),
        ("tools.http", HttpOptions),
        ("tools.sandbox", Limits),
    ],
)
def test_the_page_lists_the_settings_there_are(place: str, options: type[msgspec.Struct]) -> None:
    expected = {}
    for field in msgspec.structs.fields(options):
        default = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        expected[field.name] = (
            "required"
            if default is msgspec.NODEFAULT
            else f"`{msgspec.json.encode(default).decode()}`".replace("`[]`", "`()`")
        )
    listed = {name: cells[0] for name, cells in rows(f"Setting of `[{place}]`").items()}
    assert listed == expected


def test_the_page_tells_the_bounds_that_the_code_has() -> None:
    from secondbasket.apps.tools import arithmetic, bubblewrap, sandbox_init
    from secondbasket.apps.tools.databases import order

    told = " ".join(PAGE.split())
    for sentence in (
        f"gives {files._LARGEST_PIECE // 1024} KiB at a time",
        f"names {files._MOST_LISTED} files",
        f"at most {arithmetic.LONGEST} characters, numbers {arithmetic.MOST_DIGITS} digits",
        f"rounded to {arithmetic._SHOWN} digits",
        f"at most {SqlOptions().rows} rows and {order.Order.__struct_defaults__[-2] // 1024} KiB",
        f"longer cells than {order._LONGEST_CELL} characters",
        (
            f"read up to {http._LONGEST_BODY // 1024} KiB and given up to"
            f" {http._LONGEST_TEXT // 1024} KiB"
        ),
        f"{bubblewrap._SCRATCH_BYTES // 2**20} MiB at `/tmp`",
        f"first {sandbox_init._HEAD // 1024} KiB and the last {sandbox_init._TAIL // 1024} KiB",
        f"may hold {bubblewrap._MOST_FILES} files",
    ):
        assert sentence in told
    for name in arithmetic.FUNCTIONS:
        assert re.search(rf"`{name}`", PAGE)
