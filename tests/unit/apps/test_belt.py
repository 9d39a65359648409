"""Tools by name, and errors that a model can mend its call by."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondbasket.apps.tools.arguments import violations
from secondbasket.apps.tools.belt import Belt, load_belt
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.core.ports import Tool
from secondbasket.core.tool import NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.errors import InvalidRequest, NotFound, PluginError, SettingsError
from tests.grounds import no_session

DOUBLING: dict[str, Any] = {"type": "object", "$ref": "#/x0"} | {
    f"x{level}": {"allOf": [{"$ref": f"#/x{level + 1}"}] * 2 if level < 30 else [{}]}
    for level in range(31)
}
READ = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "offset": {"type": "integer", "minimum": 0},
        "mode": {"enum": ["text", "lines"]},
        "range": {
            "type": "object",
            "properties": {"from": {"type": "integer"}},
            "required": ["from"],
        },
    },
    "required": ["path"],
    "additionalProperties": False,
}


class Plain:
    """A tool that says what it was called with."""

    def __init__(self, name: str, parameters: Mapping[str, Any] | None = None) -> None:
        self.facts = ToolFacts(
            name=name, description="A tool.", parameters=parameters or READ, effect="read"
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        return ToolOutcome(text=json.dumps(dict(call.arguments)))

    async def reconcile(self, call: ToolCall) -> NeverHappened:
        return NeverHappened()


class Asking(list[Tool]):
    """A family that has to ask for its tools."""

    closed = False

    async def discover(self) -> Sequence[Tool]:
        self += [Plain("far.tool"), Plain("near.tool"), Plain("far.bad", {"type": "string"})]
        return self

    async def aclose(self) -> None:
        self.closed = True


def grounds(settings: Mapping[str, Mapping[str, Any]], folder: Path) -> Any:
    return lambda family: ToolGround(
        session=no_session, settings=settings.get(family, {}), programs=folder / family
    )


def test_every_built_in_family_is_found(tmp_path: Path) -> None:
    belt = load_belt(grounds({}, tmp_path), ())
    names = [tool.facts.name for tool in belt.all()]
    assert names == sorted(names)
    assert {"calculator", "files.read", "files.write", "python.run", "shell.run"} <= set(names)
    assert not {"sql.query", "http.get"} & set(names), "without settings there is nobody to ask"


def test_settings_of_no_family_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"tools\.htpp") as caught:
        load_belt(grounds({}, tmp_path), ["htpp"])
    assert "[tools.http]" in caught.value.hint


@pytest.mark.parametrize(
    ("family", "settings", "told"),
    [
        ("http", {"alow": []}, "'tools.http.alow'"),
        ("http", {"allow": ["https://a.example/path"]}, "more than an origin"),
        ("http", {"allow": ["a.example"]}, "tools.http.allow"),
        ("http", {"allow": "https://a.example"}, "tools.http.allow"),
        ("http", {"up_to": "private"}, "tools.http.up_to"),
        ("http", {"seconds": 0}, "tools.http.seconds"),
        ("files", {"largest_bytes": -1}, "tools.files.largest_bytes"),
        ("sandbox", {"memory_mib": 0}, "tools.sandbox.memory_mib"),
        ("sandbox", {"processes": "many"}, "tools.sandbox.processes"),
        ("calculator", {"digits": 3}, "tools.calculator.digits"),
        ("sql", {"databases": {"a": {"kind": "oracle"}}}, "tools.sql.databases"),
        ("sql", {"databases": {"a": {"kind": "sqlite", "path": "a.db"}}}, "absolute"),
        ("sql", {"databases": {"a": {"kind": "postgresql", "url": "mysql://x"}}}, "postgresql://"),
        (
            "sql",
            {"databases": {"a": {"kind": "postgresql", "url": "postgresql://u:pw@h/d"}}},
            "password",
        ),
        (
            "sql",
            {
                "databases": {
                    "a": {"kind": "postgresql", "url": "postgresql://u@h/d", "password_env": "NO"}
                }
            },
            "NO is not set",
        ),
        ("sql", {"databases": {"a": {"kind": "sqlite", "path": "/a", "wirte": True}}}, "wirte"),
        ("sql", {"rows": 0}, "tools.sql.rows"),
    ],
)
def test_a_wrong_setting_stops_the_start_by_its_name(
    family: str, settings: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_belt(grounds({family: settings}, tmp_path), [family])
    assert told in str(caught.value)
    assert "pw@" not in str(caught.value)


def test_two_tools_of_one_name_stop_the_start() -> None:
    with pytest.raises(PluginError, match=r"Both 'one' and 'two' have a tool 'a\.b'"):
        Belt({"one": [Plain("a.b")], "two": [Plain("a.b")]})


def test_what_is_not_there_is_told_with_the_nearest() -> None:
    belt = Belt({"one": [Plain("files.read"), Plain("files.write"), Plain("calculator")]})
    assert belt.find("files.read").facts.name == "files.read"
    with pytest.raises(NotFound, match=r"no tool 'file\.read'") as caught:
        belt.find("file.read")
    assert "files.read" in caught.value.hint
    with pytest.raises(NotFound) as caught:
        belt.find("zzz" * 1000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "'path' is missing"),
        ({"pth": "a"}, "there is no 'pth' (did you mean 'path'?)"),
        ({"path": 3}, "'path' must be of type string, not 3"),
        ({"path": None}, "'path' must be of type string, not null"),
        ({"path": "a", "offset": "0"}, "'offset' must be of type integer, not \"0\""),
        ({"path": "a", "offset": -1}, "'offset' must be at least 0, not -1"),
        ({"path": "a", "mode": "all"}, '\'mode\' must be one of "text", "lines", not "all"'),
        ({"path": "a", "range": {}}, "'from' is missing in 'range'"),
        ({"path": ["x" * 500]}, "…"),
    ],
)
def test_wrong_arguments_are_told_so_that_they_can_be_mended(
    arguments: dict[str, Any], told: str
) -> None:
    tool = Plain("files.read")
    with pytest.raises(InvalidRequest) as caught:
        Belt({"one": [tool]}).check(tool, arguments)
    assert told in caught.value.message
    assert caught.value.message.startswith("The arguments of files.read do not fit: ")
    assert caught.value.hint.startswith("It takes path (string), offset (integer, may be left out)")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("parameters", "arguments"),
    [
        ({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}}, {"a": 1}),
        ({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}, {"a": 1}),
        ({"type": "object", "$ref": "#"}, {}),
        ({"type": "object", "$ref": "#/none"}, {}),
        (DOUBLING, {}),
    ],
)
def test_a_schema_that_leads_elsewhere_or_in_circles_is_refused(
    parameters: dict[str, Any], arguments: dict[str, Any]
) -> None:
    tool = Plain("bad", parameters)
    with pytest.raises(InvalidRequest):
        Belt({"one": [tool]}).check(tool, arguments)


def test_a_pattern_does_not_keep_it_busy() -> None:
    tool = Plain(
        "bad", {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    )
    began = time.monotonic()
    Belt({"one": [tool]}).check(tool, {"a": "a" * 40 + "b"})
    assert time.monotonic() - began < 2


def test_a_schema_that_is_none_is_the_tools_fault() -> None:
    tool = Plain("bad", {"type": "objekt"})
    with pytest.raises(PluginError, match="describes no object"):
        Belt({"one": [tool]})


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, "", "a", "bcd"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
_KINDS = ["object", "array", "string", "number", "integer", "boolean", "null"]
_SCHEMAS = st.recursive(
    st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(_KINDS)
            | st.lists(st.sampled_from(_KINDS), min_size=1, unique=True),
            "enum": st.lists(_VALUES, min_size=1, max_size=3),
            "const": _VALUES,
            "minimum": st.integers(-2, 2),
            "exclusiveMaximum": st.integers(-2, 2),
            "minLength": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
            "minProperties": st.integers(0, 2),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "additionalProperties": inner,
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "oneOf": st.lists(inner, min_size=1, max_size=3),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(_SCHEMAS, st.dictionaries(st.sampled_from("abc"), _VALUES, max_size=3))
def test_it_says_yes_and_no_where_the_reference_does(schema: Any, value: dict[str, Any]) -> None:
    """Against another's implementation of the standard."""
    from jsonschema.validators import Draft202012Validator

    whole = {"type": "object", "properties": {"a": schema}, "allOf": [schema]}
    fits = Draft202012Validator(whole).is_valid(value)
    assert (violations(whole, value) == []) == fits


def test_a_schema_without_end_is_left_out() -> None:
    with pytest.raises(PluginError, match="larger than"):
        Belt({"one": [Plain("bad", {"type": "object", "description": "x" * 70_000})]})


@pytest.mark.anyio
async def test_a_family_that_asks_has_its_tools_after_it_has_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What it finds may not stand in for a tool of ours, nor keep us from starting."""
    family, near = Asking(), Plain("near.tool")
    belt = Belt({"far": family, "near": [near]})
    assert [tool.facts.name for tool in belt.all()] == ["near.tool"]
    await belt.discover()
    assert [tool.facts.name for tool in belt.all()] == ["far.tool", "near.tool"]
    assert belt.find("near.tool") is near
    assert "Both 'near' and 'far' have a tool 'near.tool'" in caplog.text
    assert "'far.bad' describes no object" in caplog.text
    await belt.aclose()
    assert family.closed
