"""The request of one call: every value escaped, so that none leads to another place."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from yarl import URL

from secondbasket.apps.tools.openapi.operation import Operation
from secondbasket.errors import ToolFailed

_HOLE = re.compile(r"\{([^{}]+)\}")
_ROUNDS = 4


def address(base: str, operation: Operation, arguments: Mapping[str, Any]) -> URL:
    """`base` with the operation's path and query. Raises ToolFailed for a value it cannot carry."""
    filled: dict[str, str] = {}
    query: list[str] = []
    for parameter in operation.parameters:
        value = arguments.get(parameter.argument)
        if parameter.place == "path":
            filled[parameter.name] = _segment(parameter.name, value)
        elif parameter.place == "query" and value is not None:
            name = quote(parameter.name, safe="")
            query += [
                f"{name}={quote(_text(parameter.name, each), safe='', errors='replace')}"
                for each in (value if isinstance(value, list) else [value])
            ]
    path = _HOLE.sub(lambda hole: filled[hole[1]], operation.path)
    # Encoded already: yarl would take some of it back.
    return URL(f"{base}{path}{'?' if query else ''}{'&'.join(query)}", encoded=True)


def header_values(operation: Operation, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The operation's own headers. Raises ToolFailed for a value that no header can carry."""
    found: dict[str, str] = {}
    for parameter in operation.parameters:
        value = arguments.get(parameter.argument)
        if parameter.place == "header" and value is not None:
            text = _text(parameter.name, value)
            if not text.isascii() or not text.isprintable():
                raise ToolFailed(f"'{parameter.name}' may hold printable ASCII characters only.")
            found[parameter.name] = text
    return found


def _segment(name: str, value: object) -> str:
    """One segment of a path. Some servers decode it before they look at the slashes, and some
    twice: what would then step elsewhere is refused, however it is spelled."""
    text = _text(name, value)
    plain = text
    for _ in range(_ROUNDS):
        plain = unquote(plain)
    if not text or not text.isprintable() or "%" in plain:
        raise ToolFailed(f"'{name}' cannot stand in a path.")
    if any(part in ("", ".", "..") for part in re.split(r"[/\\]", plain)):
        raise ToolFailed(f"'{name}' would lead to another place.")
    return quote(text, safe="")


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ToolFailed(f"'{name}' has to be text, a number, or true or false.")
