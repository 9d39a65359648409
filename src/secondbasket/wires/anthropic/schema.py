"""JSON Schemas as the Messages wire takes them for an answer."""

from collections.abc import Mapping
from typing import Any

from secondbasket.errors import InvalidRequest

_MOST_DEPTH = 64
_ONE = ("items", "not", "contains", "if", "then", "else")
_LIST = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions")


def closed(schema: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """`schema` with every object closed to fields it does not name, which the wire demands.

    What fits it fits the schema as it was given. An object that names how its
    other fields look stays as it is. Raises InvalidRequest past 64 levels.
    """
    if depth > _MOST_DEPTH:
        raise InvalidRequest(
            "The schema of 'response_format' is nested too deeply.", param="response_format"
        )

    def inner(value: Any) -> Any:
        return closed(value, depth + 1) if isinstance(value, Mapping) else value

    given = dict(schema)
    for name in _ONE:
        if name in given:
            given[name] = inner(given[name])
    for name in _LIST:
        if isinstance(given.get(name), list):
            given[name] = [inner(each) for each in given[name]]
    for name in _NAMED:
        if isinstance(given.get(name), Mapping):
            given[name] = {key: inner(each) for key, each in given[name].items()}
    if given.get("type") == "object" or "properties" in given:
        given.setdefault("additionalProperties", False)
    return given
