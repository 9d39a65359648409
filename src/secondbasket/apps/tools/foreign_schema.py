"""A schema that somebody else wrote, as one we can stand behind: checked, flat and bounded.

What comes out is a tree without references, so that reading it takes no longer
than it is long, and has only keywords whose checking takes no more than a look
at what is checked. A pattern can make a look last for ever: those are left to
whoever wrote the schema, as is any keyword that we do not know.
"""

from collections.abc import Callable, Mapping
from typing import Any

from secondbasket.apps.tools.foreign_text import one_line
from secondbasket.errors import InvalidRequest

_MOST_NODES = 2000
_DEEPEST = 24
_MOST_CHOICES = 200
_WORDS = 400

_TYPES = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_JOINTS = ("anyOf", "oneOf", "allOf")
_LARGEST = 10**18

Find = Callable[[str], object]
"""What a local reference ('#/…') leads to. Raises InvalidRequest where it leads nowhere."""


class _Walk:
    def __init__(self, find: Find) -> None:
        self._find = find
        self._nodes = 0

    def schema(self, given: object, depth: int) -> dict[str, Any]:
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise _bad(f"it has more than {_MOST_NODES} parts, its references followed")
        if depth > _DEEPEST:
            raise _bad(f"it is more than {_DEEPEST} levels deep, its references followed")
        if isinstance(given, bool):
            return {} if given else {"not": {}}
        if not isinstance(given, Mapping):
            raise _bad("a part of it is no object")
        reference = given.get("$ref")
        if reference is not None:
            if not isinstance(reference, str) or not reference.startswith("#"):
                raise _bad("it refers to something outside of it")
            return {**self.schema(self._find(reference), depth + 1), **_words(given)}
        return self._parts(given, depth)

    def _parts(self, given: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        kept = _words(given) | _kind(given) | _numbers(given) | _values(given)
        if "properties" in given:
            properties = _object(given["properties"], "properties")
            kept["properties"] = {
                _name(name): self.schema(each, depth + 1) for name, each in properties.items()
            }
        if "required" in given and not isinstance(given["required"], bool):  # OpenAPI's flag
            names = given["required"]
            if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
                raise _bad("'required' is no list of names")
            kept["required"] = [_name(each) for each in names]
        if "additionalProperties" in given:
            more = given["additionalProperties"]
            kept["additionalProperties"] = (
                more if isinstance(more, bool) else self.schema(more, depth + 1)
            )
        if "items" in given:
            kept["items"] = self.schema(given["items"], depth + 1)
        for word in _JOINTS:
            if word in given:
                kept[word] = [self.schema(each, depth + 1) for each in _list(given[word], word)]
        return kept


def flat(given: object, document: object) -> dict[str, Any]:
    """`given` as a tree of its own, its references looked up in `document`.

    Raises InvalidRequest for a schema that is malformed, leads outside, or
    grows beyond its bounds; one that contains itself does that.
    """
    return _Walk(lambda reference: look_up(reference, document)).schema(given, 0)


def look_up(reference: str, document: object) -> object:
    """What '#/a/b' means in `document` (RFC 6901). Raises InvalidRequest."""
    place = document
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(place, Mapping) and name in place:
            place = place[name]
        else:
            raise _bad(f"its reference {reference[:80]!r} leads nowhere")
    return place


def _words(given: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        word: one_line(given[word], _WORDS)
        for word in ("title", "description")
        if isinstance(given.get(word), str)
    }


def _kind(given: Mapping[Any, Any]) -> dict[str, Any]:
    kind = given.get("type")
    if kind is None:
        return {}
    kinds = kind if isinstance(kind, list) else [kind]
    if not kinds or not all(isinstance(each, str) and each in _TYPES for each in kinds):
        raise _bad(f"{kind!r:.60} is no type")
    if given.get("nullable") is True and "null" not in kinds:  # OpenAPI 3.0
        kinds = [*kinds, "null"]
    return {"type": kinds[0] if len(kinds) == 1 else list(dict.fromkeys(kinds))}


def _numbers(given: Mapping[Any, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for word in _COUNTS:
        if word in given:
            count = given[word]
            if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < _LARGEST:
                raise _bad(f"'{word}' is no count")
            kept[word] = count
    for word in _LIMITS:
        limit = given.get(word)
        if limit is None or isinstance(limit, bool):  # OpenAPI 3.0's exclusive bounds are flags
            continue
        if not isinstance(limit, int | float) or not abs(limit) < _LARGEST:
            raise _bad(f"'{word}' is no number")
        kept[word] = limit
    return kept


def _values(given: Mapping[Any, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if "enum" in given:
        choices = _list(given["enum"], "enum")
        if not all(_plain(each) for each in choices):
            raise _bad("a choice of 'enum' is neither text, number nor null")
        kept["enum"] = choices
    if "const" in given and _plain(given["const"]):
        kept["const"] = given["const"]
    if "default" in given and _plain(given["default"]):
        kept["default"] = given["default"]
    return kept


def _plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _WORDS
    return value is None or isinstance(value, bool | int | float)


def _list(value: object, word: str) -> list[Any]:
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_CHOICES:
        raise _bad(f"'{word}' is no list of 1 to {_MOST_CHOICES}")
    return value


def _object(value: object, word: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise _bad(f"'{word}' is no object")
    return value


def _name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= 128 or not name.isprintable():
        raise _bad("it has a property without a usable name")
    return name


def _bad(why: str) -> InvalidRequest:
    return InvalidRequest(f"The schema cannot be used: {why}.")
