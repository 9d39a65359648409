"""The tools that a server says it has, checked, bounded, and told apart by a sum."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from secondbasket.apps.tools.foreign_schema import flat
from secondbasket.apps.tools.foreign_text import one_line
from secondbasket.core.canonical import canonical
from secondbasket.errors import InvalidRequest, ToolFailed
from secondbasket.wires.mcp.tools import ListedTool

_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_LONGEST_NAME = 64
_MOST_SCHEMA_BYTES = 64 * 1024
_MOST_DESCRIPTION = 1000


class ForeignTool(msgspec.Struct, frozen=True, kw_only=True):
    """One tool of a server. `schema` is what it wrote, `parameters` what we make of it.

    `sha256` is over the name, the description and the schema as the server
    sent them: another sum is another tool.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    parameters: Mapping[str, Any]
    sha256: str


class Listing(msgspec.Struct, frozen=True):
    """`tools` by their names; `refused` says why others are not among them."""

    tools: Mapping[str, ForeignTool]
    refused: Mapping[str, str]


def read_listing(
    entries: Iterable[Mapping[str, Any]], *, allow: Iterable[str] | None, most: int
) -> Listing:
    """The tools among `entries` that are allowed. Raises ToolFailed where they are too many."""
    wanted = None if allow is None else frozenset(allow)
    tools: dict[str, ForeignTool] = {}
    refused: dict[str, str] = {}
    for entry in entries:
        name = entry.get("name")
        if not isinstance(name, str) or not _usable(name):
            refused[one_line(str(name)[:100], _LONGEST_NAME)] = "its name cannot be used"
        elif wanted is not None and name not in wanted:
            continue
        elif name in tools:
            # Which of the two would be called is the server's to choose.
            refused[name] = "it is listed twice"
        else:
            try:
                tools[name] = _checked(entry)
            except InvalidRequest as exc:
                refused[name] = exc.message
    if len(tools) > most:
        raise ToolFailed(
            f"The server lists {len(tools)} tools, and {most} are the most that are taken.",
            hint="Name those that are wanted with `allow`, or raise `most_tools`.",
        )
    return Listing({name: each for name, each in tools.items() if name not in refused}, refused)


def _usable(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def _checked(entry: Mapping[str, Any]) -> ForeignTool:
    try:
        listed = msgspec.convert(entry, type=ListedTool)
        size = len(msgspec.json.encode(listed))
    except (msgspec.ValidationError, RecursionError) as exc:
        raise InvalidRequest("It is not described as a tool.") from exc
    if size > _MOST_SCHEMA_BYTES:
        raise InvalidRequest(f"Its description has {size} bytes.")
    if listed.input_schema.get("type") != "object":
        raise InvalidRequest("Its arguments are no object.")
    parameters = flat(listed.input_schema, listed.input_schema)
    try:
        told = canonical(listed)
    except (ValueError, RecursionError) as exc:
        raise InvalidRequest("Its description cannot be written as JSON.") from exc
    return ForeignTool(
        name=listed.name,
        description=one_line(listed.description or "", _MOST_DESCRIPTION),
        schema=listed.input_schema,
        parameters=parameters,
        sha256=hashlib.sha256(told).hexdigest(),
    )
