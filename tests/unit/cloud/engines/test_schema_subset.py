"""Which JSON Schemas reach OpenVINO's grammar compiler, and in what form."""

from typing import Any

import pytest

from secondbasket.cloud.engines.schema_subset import SchemaRefused, checked_schema


def test_a_schema_of_the_usual_kind_is_taken() -> None:
    schema = {
        "type": "object",
        "title": "A city",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 40, "description": "its name"},
            "size": {"enum": ["small", "large", None]},
            "founded": {"type": "integer", "minimum": 0, "maximum": 2100},
            "rivers": {"type": "array", "items": {"$ref": "#/$defs/river"}, "minItems": 1},
            "mayor": {"type": ["string", "null"]},
            "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}(?:x|y)?$"},
        },
        "required": ["name", "size"],
        "additionalProperties": False,
        "$defs": {"river": {"anyOf": [{"type": "string", "format": "uuid"}, {"const": 7}]}},
    }
    taken = checked_schema(schema)
    assert taken["required"] == ["name", "size"]
    assert taken["properties"]["name"] == {"type": "string", "minLength": 1, "maxLength": 40}
    assert taken["properties"]["mayor"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert taken["$defs"]["river"]["anyOf"][1] == {"const": 7}


@pytest.mark.parametrize(
    ("schema", "taken"),
    [
        ({}, {}),
        ({"description": "anything"}, {}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        (
            {"required": ["a"]},
            {
                "type": "object",
                "properties": {"a": {}},
                "required": ["a"],
                "additionalProperties": False,
            },
        ),
        (
            {"type": "object"},
            {"type": "object", "properties": {}, "required": [], "additionalProperties": True},
        ),
        ({"allOf": [{"type": "null"}]}, {"type": "null"}),
        ({"oneOf": [{"type": "null"}]}, {"anyOf": [{"type": "null"}]}),
        ({"type": "number", "minimum": 1, "exclusiveMaximum": 2}, None),
    ],
)
def test_what_a_schema_becomes(schema: dict[str, Any], taken: dict[str, Any] | None) -> None:
    assert checked_schema(schema) == (taken if taken is not None else schema)


@pytest.mark.parametrize(
    "schema",
    [
        "object",
        {"type": "banana"},
        {"type": []},
        {"type": "object", "properties": {"a": False}},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {'a"b': {}}},
        {"type": "object", "properties": {"a\\b": {}}},
        {"type": "object", "required": "a"},
        {"type": "object", "patternProperties": {"^a": {}}},
        {"type": "object", "minProperties": 2},
        {"enum": []},
        {"anyOf": []},
        {"allOf": [{}, {}]},
        {"not": {"type": "null"}},
        {"$ref": "http://elsewhere.example/schema"},
        {"$ref": "#/$defs/absent"},
        {"properties": {"a": {"$ref": "#/definitions/a"}}, "$defs": {"a": {}}},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "string", "minLength": -1},
        {"type": "string", "maxLength": True},
        {"type": "array", "items": False},
        {"type": "array", "uniqueItems": True},
        {"type": "integer", "minimum": 1.5},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
        {"type": "integer", "multipleOf": 3},
        {"type": "number", "maximum": 1e300},
        {"type": "number", "minimum": "1"},
        {"type": "boolean", "minimum": 1},
    ],
)
def test_what_is_not_taken(schema: Any) -> None:
    with pytest.raises(SchemaRefused):
        checked_schema(schema)


@pytest.mark.parametrize("pattern", ["a", "^a+b*c?$", "[a-z_]{2,8}", "(ab|cd)+e", "\\w+@\\w+\\.de"])
def test_patterns_that_are_taken(pattern: str) -> None:
    assert checked_schema({"type": "string", "pattern": pattern})["pattern"] == pattern


@pytest.mark.parametrize(
    "pattern",
    ["", "(?=a)b", "(?i)a", "a*?", "a**", "(a)\\1", "\\bword", "a{3,1}", "(", "a|", "()", "a$b",
     "^^a", "[z-a]", "[a", "\\p{L}", "(?P<n>a)", 7],
)  # fmt: skip
def test_patterns_that_are_not(pattern: Any) -> None:
    with pytest.raises(SchemaRefused):
        checked_schema({"type": "string", "pattern": pattern})
