"""Do arguments fit a tool's JSON Schema, and in which words is a model told where not?

The keywords are those that a grammar of an engine knows; any other is left to
the tool, and so are patterns: one can make a look last for ever. What is looked
at is counted, and a reference leads nowhere but into the schema itself.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

_MOST_TOLD = 3
_MOST_LOOKS = 20_000
_DEEPEST = 60
_SHOWN = 80
_MOST_CHOICES = 20

_KINDS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list | tuple),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        not isinstance(value, bool)
        and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    ),
}


def violations(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """What does not fit, the first of it, each in a few words; empty where all does."""
    look = _Look(schema)
    try:
        return list(islice(look.at(schema, arguments, "", 0), _MOST_TOLD))
    except _CannotTell as exc:
        return [str(exc)]


def signature(schema: Mapping[str, Any]) -> str:
    """'path (string), offset (integer, may be left out)'."""
    required = schema.get("required", ())
    told = []
    for name, inner in schema.get("properties", {}).items():
        kind = inner.get("type", "any JSON") if isinstance(inner, Mapping) else "any JSON"
        kinds = kind if isinstance(kind, str) else " or ".join(kind)
        told.append(f"{name} ({kinds}{'' if name in required else ', may be left out'})")
    return ", ".join(told) or "no arguments"


class _CannotTell(Exception):
    """Neither fits nor does not: the schema leads elsewhere, or looking takes too long."""


class _Look:
    """One look over one value."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = _MOST_LOOKS

    def at(self, schema: Any, value: Any, place: str, depth: int) -> Iterator[str]:
        """What `schema` says against `value`, which stands at `place`."""
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise _CannotTell("they are nested too deeply to be looked at")
        told = f"'{place}'" if place else "the whole"
        if schema is False:
            yield f"{told} may not be there"
        if not isinstance(schema, Mapping):
            return
        kinds = schema.get("type")
        if kinds is not None and not _is_of(kinds, value):
            wanted = kinds if isinstance(kinds, str) else " or ".join(kinds)
            yield f"{told} must be of type {wanted}, not {_shown(value)}"
            return
        yield from _choices(schema, value, told)
        if "$ref" in schema:
            yield from self.at(self._target(schema["$ref"]), value, place, depth + 1)
        if isinstance(value, Mapping):
            yield from self._object(schema, value, place, depth)
        elif isinstance(value, list | tuple):
            yield from self._array(schema, value, place, depth)
        elif isinstance(value, str):
            yield from _count(schema, "Length", "characters", len(value), told)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield from _number(schema, value, told)
        yield from self._joints(schema, value, place, depth)

    def _object(
        self, schema: Mapping[str, Any], value: Mapping[str, Any], place: str, depth: int
    ) -> Iterator[str]:
        known = schema.get("properties", {})
        within = f" in '{place}'" if place else ""
        missing = [name for name in schema.get("required", ()) if name not in value]
        if missing:
            names = ", ".join(f"'{name}'" for name in missing)
            yield f"{names} {'is' if len(missing) == 1 else 'are'} missing{within}"
        more = schema.get("additionalProperties", True)
        for name, inner in value.items():
            at = f"{place}.{name}" if place else name
            if name in known:
                yield from self.at(known[name], inner, at, depth + 1)
            elif more is False and "patternProperties" not in schema:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                meant = f" (did you mean '{near[0]}'?)" if near else ""
                yield f"there is no '{name[:_SHOWN]}'{within}{meant}"
            elif "patternProperties" not in schema:
                yield from self.at(more, inner, at, depth + 1)
        told = f"'{place}'" if place else "the whole"
        yield from _count(schema, "Properties", "members", len(value), told)

    def _array(
        self, schema: Mapping[str, Any], value: Any, place: str, depth: int
    ) -> Iterator[str]:
        first = schema.get("prefixItems", ())
        for number, inner in enumerate(value):
            each = first[number] if number < len(first) else schema.get("items", True)
            yield from self.at(each, inner, f"{place}[{number}]", depth + 1)
        yield from _count(schema, "Items", "items", len(value), f"'{place}'")

    def _joints(
        self, schema: Mapping[str, Any], value: Any, place: str, depth: int
    ) -> Iterator[str]:
        for each in schema.get("allOf", ()):
            yield from self.at(each, value, place, depth + 1)
        told = f"'{place}'" if place else "the whole"
        for joint in ("anyOf", "oneOf"):
            if joint not in schema:
                continue
            found = [list(self.at(each, value, place, depth + 1)) for each in schema[joint]]
            fits = sum(not wrong for wrong in found)
            if fits == 0:
                # The branch that least is wrong with is the likeliest to be meant.
                yield min(found, key=len)[0]
            elif fits > 1 and joint == "oneOf":
                yield f"{told} fits several of what it may be one of"
        if "not" in schema and not any(self.at(schema["not"], value, place, depth + 1)):
            yield f"{told} may not be {_shown(value)}"

    def _target(self, reference: Any) -> Any:
        place: Any = self._root
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise _CannotTell(f"the tool's schema leads elsewhere, to {_shown(reference)}")
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(place, Mapping) or name not in place:
                raise _CannotTell(f"the tool's schema refers to {reference[:_SHOWN]}, which is not")
            place = place[name]
        return place


def _is_of(kinds: Any, value: Any) -> bool:
    return any(
        _KINDS[kind](value)
        for kind in ([kinds] if isinstance(kinds, str) else kinds)
        if kind in _KINDS
    )


def _choices(schema: Mapping[str, Any], value: Any, told: str) -> Iterator[str]:
    if "const" in schema and not _same(schema["const"], value):
        yield f"{told} must be {_shown(schema['const'])}, not {_shown(value)}"
    if "enum" in schema and not any(_same(each, value) for each in schema["enum"]):
        choices = ", ".join(_shown(each) for each in schema["enum"][:_MOST_CHOICES])
        yield f"{told} must be one of {choices}, not {_shown(value)}"


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON is: true is not 1, 1.0 is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return bool(one == other)


def _count(schema: Mapping[str, Any], what: str, unit: str, count: int, told: str) -> Iterator[str]:
    least, most = schema.get(f"min{what}", 0), schema.get(f"max{what}")
    if count < least:
        yield f"{told} must have at least {least} {unit}"
    if most is not None and count > most:
        yield f"{told} may have at most {most} {unit}, not {count}"


def _number(schema: Mapping[str, Any], value: float, told: str) -> Iterator[str]:
    limits: dict[str, tuple[str, Callable[[float, float], bool]]] = {
        "minimum": ("at least", lambda value, limit: value >= limit),
        "maximum": ("at most", lambda value, limit: value <= limit),
        "exclusiveMinimum": ("more than", lambda value, limit: value > limit),
        "exclusiveMaximum": ("less than", lambda value, limit: value < limit),
    }
    for word, (meaning, holds) in limits.items():
        limit = schema.get(word)
        if limit is not None and not holds(value, limit):
            yield f"{told} must be {meaning} {limit}, not {_shown(value)}"


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
