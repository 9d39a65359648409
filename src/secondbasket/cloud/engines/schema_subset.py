"""The JSON Schemas that OpenVINO's grammar compiler (xgrammar) takes for sure.

It compiles a schema in the middle of a step that all running calls share, and
one that it cannot compile ends them all. So a schema is copied here keyword by
keyword, the known ones only, each with a value that it takes; what only
comments is left out, and what constrains in a way it does not know is refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_COMMENTS = frozenset(
    "title description default examples deprecated readOnly writeOnly $comment $id $schema $anchor"
    " contentEncoding contentMediaType".split()
)
_FORMATS = frozenset("date time date-time duration email hostname ipv4 ipv6 uuid uri".split())
_LARGEST = 2**53
# The compiler writes names into its grammar without escaping them.
_NOT_IN_NAMES = re.compile(r'["\\\x00-\x1f\x7f]')
# One unit of a pattern and how often it may come; everything else of regular expressions
# (look-around, references, flags, boundaries, lazy repeats) is not known to the compiler.
_UNIT = re.compile(
    r"""(?: [^\\\[\](){}|*+?.^$] | \\[dDwWsSnrtfv] | \\[^a-zA-Z0-9] | \.
          | \[\^? (?: [^\\\[\]^] | \\[dDwWsSnrtfv] | \\[^a-zA-Z0-9] )+ \] )
        (?: [*+?] | \{\d{1,4}(?:,\d{0,4})?\} )?""",
    re.VERBOSE,
)


class SchemaRefused(Exception):
    """The text says which part of the schema is not taken."""


def checked_schema(schema: Any) -> dict[str, Any]:
    """A copy of `schema` with nothing in it but what is taken. Raises SchemaRefused."""
    if not isinstance(schema, Mapping):
        raise SchemaRefused("a schema is an object")
    definitions = {
        section: {name: _node(each) for name, each in _object(schema, section).items()}
        for section in ("$defs", "definitions")
        if section in schema
    }
    _require_targets(schema, definitions)
    return {**_node(schema), **definitions}


def _require_targets(node: Any, definitions: Mapping[str, Mapping[str, Any]]) -> None:
    if isinstance(node, Mapping):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference != "#":
            section, _, name = reference.removeprefix("#/").partition("/")
            if name not in definitions.get(section, {}):
                raise SchemaRefused(f"'{reference[:80]}' is not among its definitions")
        for each in node.values():
            _require_targets(each, definitions)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for each in node:
            _require_targets(each, definitions)


def _node(node: Any) -> dict[str, Any]:
    if node is True:
        return {}
    if not isinstance(node, Mapping):
        raise SchemaRefused("something that is no schema stands where one belongs")
    for only, checked in _WHOLE.items():
        if only in node:
            return checked(node[only])
    kind = node.get("type")
    if isinstance(kind, Sequence) and not isinstance(kind, str):
        kinds = [_node({**node, "type": each}) for each in kind]
        if not kinds:
            raise SchemaRefused("'type' is an empty list")
        return {"anyOf": kinds}
    if kind is None:
        kind = next((name for name, words in _IMPLIED.items() if words & node.keys()), None)
    if kind is None:
        _refuse_others(node, frozenset())
        return {}
    if kind not in _KINDS:
        raise SchemaRefused("'type' is not one of JSON's")
    return {"type": kind, **_KINDS[kind](node)}


def _reference(value: Any) -> dict[str, Any]:
    if not isinstance(value, str) or not re.fullmatch(r"#|#/(\$defs|definitions)/[^/~%]+", value):
        raise SchemaRefused("'$ref' does not point to a definition of the schema's own")
    return {"$ref": value}


def _enumeration(values: Any) -> dict[str, Any]:
    if not isinstance(values, list) or not values:
        raise SchemaRefused("'enum' is no list of values")
    return {"enum": values}


def _alternatives(options: Any) -> dict[str, Any]:
    if not isinstance(options, list) or not options:
        raise SchemaRefused("'anyOf' or 'oneOf' is no list of schemas")
    return {"anyOf": [_node(each) for each in options]}


def _all_of(parts: Any) -> dict[str, Any]:
    if not isinstance(parts, list) or len(parts) != 1:
        raise SchemaRefused("'allOf' of several schemas is not taken")
    return _node(parts[0])


def _string(node: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_others(node, frozenset({"minLength", "maxLength", "pattern", "format"}))
    if "pattern" in node:
        if "minLength" in node or "maxLength" in node:
            raise SchemaRefused("'pattern' beside a length is not taken")
        return {"pattern": _pattern(node["pattern"])}
    if node.get("format") in _FORMATS and not {"minLength", "maxLength"} & node.keys():
        return {"format": node["format"]}
    return _counts(node, "minLength", "maxLength")


def _pattern(pattern: Any) -> str:
    """`pattern`, of units, groups and choices only."""
    if not isinstance(pattern, str):
        raise SchemaRefused("'pattern' is no text")
    inner = pattern.removeprefix("^")
    if inner.endswith("$") and not inner.endswith("\\$"):
        inner = inner[:-1]
    place = depth = 0
    unit_before = False
    while place < len(inner):
        if unit := _UNIT.match(inner, place):
            place, unit_before = unit.end(), True
        elif inner[place] == "(":
            place += 3 if inner.startswith("(?:", place) else 1
            depth, unit_before = depth + 1, False
        elif inner[place] == ")" and depth and unit_before:
            place, depth = place + 1, depth - 1
            if repeat := re.compile(r"[*+?]|\{\d{1,4}(?:,\d{0,4})?\}").match(inner, place):
                place = repeat.end()
        elif inner[place] == "|" and unit_before:
            place, unit_before = place + 1, False
        else:
            break
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as exc:
        raise SchemaRefused("'pattern' is no regular expression") from exc
    if place < len(inner) or depth or not unit_before:
        raise SchemaRefused("'pattern' uses more of regular expressions than is taken")
    return pattern


def _integer(node: Mapping[str, Any]) -> dict[str, Any]:
    return _range(node, int)


def _number(node: Mapping[str, Any]) -> dict[str, Any]:
    return _range(node, float)


def _range(node: Mapping[str, Any], kind: type[int] | type[float]) -> dict[str, Any]:
    names = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    _refuse_others(node, frozenset({*names, "format"}))
    given: dict[str, Any] = {}
    for name in names:
        if name in node:
            bound = node[name]
            fits = isinstance(bound, int | float) and not isinstance(bound, bool)
            if not fits or abs(bound) > _LARGEST or kind(bound) != bound:
                raise SchemaRefused(f"'{name}' is no bound that is taken for this type")
            given[name] = kind(bound)
    low = max((given[name] for name in names[:2] if name in given), default=None)
    high = min((given[name] for name in names[2:] if name in given), default=None)
    room = 2 if kind is int else 0
    if low is not None and high is not None and not low + room < high:
        inclusive = not {"exclusiveMinimum", "exclusiveMaximum"} & given.keys()
        if not (inclusive and low <= high):
            raise SchemaRefused("no number lies between its bounds")
    return given


def _array(node: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_others(node, frozenset({"items", "minItems", "maxItems"}))
    if node.get("items") is False:
        raise SchemaRefused("'items' that allow nothing are not taken")
    return {"items": _node(node.get("items", True)), **_counts(node, "minItems", "maxItems")}


def _members(node: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_others(node, frozenset({"properties", "required", "additionalProperties"}))
    properties = {name: _node(each) for name, each in _object(node, "properties").items()}
    required = node.get("required", [])
    if not isinstance(required, list) or not all(isinstance(each, str) for each in required):
        raise SchemaRefused("'required' is no list of names")
    if any(_NOT_IN_NAMES.search(name) for name in (*properties, *required)):
        raise SchemaRefused("a property's name with a quote, a backslash or a control character")
    # Named and nowhere described is anything at all.
    properties |= {name: {} for name in required if name not in properties}
    checked: dict[str, Any] = {"properties": properties, "required": required}
    others = node.get("additionalProperties", not properties)
    checked["additionalProperties"] = others if isinstance(others, bool) else _node(others)
    return checked


def _bare(node: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_others(node, frozenset())
    return {}


def _counts(node: Mapping[str, Any], low: str, high: str) -> dict[str, Any]:
    given = {name: node[name] for name in (low, high) if name in node}
    for name, count in given.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise SchemaRefused(f"'{name}' is no count")
    if given.get(low, 0) > given.get(high, given.get(low, 0)):
        raise SchemaRefused(f"'{low}' is above '{high}'")
    return given


def _object(node: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = node.get(name, {})
    if not isinstance(value, Mapping):
        raise SchemaRefused(f"'{name}' is no object")
    return value


def _refuse_others(node: Mapping[str, Any], known: frozenset[str]) -> None:
    others = node.keys() - known - _COMMENTS - {"type", "$defs", "definitions"}
    if others:
        raise SchemaRefused(f"'{min(others)[:40]}' is not taken there")


# A keyword that says all, so that those beside it are not looked at, first come first served.
_WHOLE = {
    "$ref": _reference,
    "const": lambda value: {"const": value},
    "enum": _enumeration,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "allOf": _all_of,
}
_KINDS = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _bare,
    "null": _bare,
    "array": _array,
    "object": _members,
}
# What a schema without a type is about.
_IMPLIED = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"pattern", "minLength", "maxLength"},
}
