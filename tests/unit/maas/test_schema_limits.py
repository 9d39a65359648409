"""Schemas that engines bear pass, those that stop or kill them do not."""

from typing import Any

import pytest

from secondbasket.core.chat import ChatRequest, Message, ResponseFormat, ToolSpec
from secondbasket.errors import InvalidRequest
from secondbasket.maas.upstreams.schema_limits import require_bounded


def with_tool(parameters: dict[str, Any]) -> ChatRequest:
    return ChatRequest(
        model="m",
        messages=(Message(role="user", content="x"),),
        tools=(ToolSpec(name="t", parameters=parameters),),
    )


def with_format(schema: dict[str, Any]) -> ChatRequest:
    return ChatRequest(
        model="m",
        messages=(Message(role="user", content="x"),),
        response_format=ResponseFormat("json_schema", {"name": "s", "schema": schema}),
    )


GOOD: list[dict[str, Any]] = [
    {},
    {"type": "object", "properties": {"city": {"type": "string", "maxLength": 80}}},
    {"type": ["string", "null"], "enum": ["a", "b", None]},
    {"type": "array", "items": {"$ref": "#/$defs/row"}, "$defs": {"row": {"type": "object"}}},
    {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4,8}$"},
    {"type": "object", "additionalProperties": False},
    {"anyOf": [{"type": "integer"}, {"const": 3}]},
]

BAD: dict[str, dict[str, Any]] = {
    "endless": {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    "circle": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
    },
    "broken pattern": {"type": "string", "pattern": "^(a+)+$(((("},
    "nested repeats": {"type": "string", "pattern": "((a{100}){100}){100}"},
    "long pattern": {"type": "string", "pattern": "a" * 300},
    "long text": {"type": "string", "minLength": 10**9},
    "long list": {"type": "array", "items": {"type": "integer"}, "minItems": 10**9},
    "negative": {"type": "array", "minItems": -1},
    "many values": {"type": "string", "enum": [str(number) for number in range(501)]},
    "bad type": {"type": ["object", 7, None]},
    "bad properties": {"properties": "none"},
    "many branches": {"anyOf": [{"anyOf": [{"anyOf": [{}] * 12}] * 12}] * 12},
    "outside": {"$ref": "https://example.org/schema.json"},
    "nowhere": {"$ref": "#/$defs/none"},
    "not a schema": {"items": 5},
    "doubling references": {
        "$ref": "#/$defs/x0",
        "$defs": {
            **{
                f"x{n}": {"anyOf": [{"$ref": f"#/$defs/x{n + 1}"}, {"$ref": f"#/$defs/x{n + 1}"}]}
                for n in range(20)
            },
            "x20": {},
        },
    },
    "many long texts": {
        "type": "object",
        "properties": {f"p{n}": {"type": "string", "maxLength": 1000} for n in range(6)},
    },
    "too large": {"description": "x" * 70_000},
}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize("schema", [*GOOD, deep(20)])
def test_what_engines_bear_passes(schema: dict[str, Any]) -> None:
    require_bounded(with_tool(schema))
    require_bounded(with_format(schema))


@pytest.mark.parametrize("schema", [*BAD.values(), deep(30)], ids=[*BAD, "deep"])
def test_what_they_do_not_bear_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        require_bounded(with_tool(schema))
    assert caught.value.param == "tools"
    with pytest.raises(InvalidRequest) as caught:
        require_bounded(with_format(schema))
    assert caught.value.param == "response_format"


def test_the_tools_of_one_call_share_one_budget() -> None:
    texts = {f"p{n}": {"type": "string", "maxLength": 1000} for n in range(3)}
    tools = tuple(
        ToolSpec(name=f"t{n}", parameters={"type": "object", "properties": texts}) for n in range(2)
    )
    request = with_tool({})
    with pytest.raises(InvalidRequest, match="all limits added up"):
        require_bounded(ChatRequest(model="m", messages=request.messages, tools=tools))
