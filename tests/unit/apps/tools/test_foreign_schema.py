"""Schemas of strangers, made flat."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from secondbasket.apps.tools.foreign_schema import flat
from secondbasket.errors import InvalidRequest


def test_references_are_followed_and_what_is_dangerous_is_left_out() -> None:
    schema = {
        "type": "object",
        "$defs": {"a/b": {"type": "string", "pattern": "(a+)+$", "minLength": 1}},
        "properties": {
            "x": {"$ref": "#/$defs/a~1b", "description": "One\u200b\x1b word\n\nor two"}
        },
        "required": ["x"],
        "patternProperties": {"(a+)+": {}},
        "additionalProperties": False,
    }
    assert flat(schema, schema) == {
        "type": "object",
        "properties": {"x": {"type": "string", "minLength": 1, "description": "One word or two"}},
        "required": ["x"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/none"},
        {"$ref": "https://elsewhere.example/"},
        {"$ref": 7},
        {"type": "text"},
        {"type": []},
        {"type": ["string", {}]},
        {"properties": []},
        {"properties": {"": {}}},
        {"properties": {"a\nb": {}}},
        {"required": "x"},
        {"required": [1]},
        {"minLength": -1},
        {"minLength": 1.5},
        {"minLength": True},
        {"maximum": "1"},
        {"maximum": 1e400},
        {"enum": []},
        {"enum": [{"a": 1}]},
        {"enum": list(range(201))},
        {"anyOf": {}},
        {"items": "x"},
        {"properties": {f"p{i}": {} for i in range(2001)}},
        "text",
        None,
    ],
)
def test_what_cannot_be_used_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidRequest, match="cannot be used"):
        flat(schema, schema)


WORDS = st.sampled_from(
    "type properties required items enum anyOf allOf oneOf minLength maximum const default $ref"
    " additionalProperties nullable title description".split()
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["string", "object", "#", "#/properties"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)


@given(JSON)
def test_whatever_comes_out_is_a_schema_without_references(given_schema: Any) -> None:
    try:
        made = flat(given_schema, given_schema)
    except InvalidRequest:
        return
    Draft202012Validator.check_schema(made)
    assert "$ref" not in str(made)
