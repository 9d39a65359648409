"""Operations of web APIs as tools, before a real server on loopback."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secondbasket.apps.tools.openapi.family import create
from secondbasket.core.data_class import DataClass
from secondbasket.core.ports import Tool
from secondbasket.core.tool import NeverHappened
from secondbasket.errors import OutcomeUnknown, SettingsError, ToolFailed, ToolRefused
from secondbasket.testing.scripted_upstream import Exchange, ScriptedUpstream, scripted_upstream

pytestmark = pytest.mark.anyio

SPEC = """
openapi: 3.1.0
info: {title: Pets, version: "1"}
servers: [{url: "http://169.254.169.254/"}]
paths:
  /pets/{petId}:
    parameters:
      - {$ref: "#/components/parameters/PetId"}
    get:
      operationId: getPet
      summary: One pet
      parameters:
        - {name: fields, in: query, schema: {type: array, items: {type: string}}}
        - {name: X-Tenant, in: header, schema: {type: string}}
        - {name: Authorization, in: header, schema: {type: string}}
    patch:
      operationId: changePet
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Pet"}
  /pets:
    get:
      parameters:
        - {name: limit, in: query, required: true, schema: {type: integer, maximum: 100}}
    post:
      operationId: createPet
      requestBody:
        content:
          application/json: {schema: {$ref: "#/components/schemas/Pet"}}
  /upload:
    post:
      operationId: upload
      requestBody: {required: true, content: {image/png: {schema: {type: string}}}}
  /far:
    get:
      operationId: far
      parameters:
        - {name: x, in: query, schema: {$ref: "https://elsewhere.example/schema.json"}}
  /knot:
    post:
      operationId: knot
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Knot"}}}}
  /a/../admin:
    get: {operationId: dots}
components:
  parameters:
    PetId: {name: petId, in: path, required: true, schema: {type: string}}
  schemas:
    Knot: {type: object, properties: {again: {$ref: "#/components/schemas/Knot"}}}
    Pet:
      type: object
      required: [name]
      properties:
        name: {type: string, maxLength: 40, pattern: "^(a+)+$"}
        tag: {type: string, nullable: true}
"""
SECRET = "key-0123456789"


@pytest.fixture
async def api() -> AsyncIterator[ScriptedUpstream]:
    async def echo(exchange: Exchange) -> None:
        body = exchange.body.decode()
        await exchange.plain(
            {"path": exchange.path, "body": body, "tag": exchange.headers.get("x-tenant")}
        )

    async with scripted_upstream(echo) as upstream:
        yield upstream


Make = Callable[..., dict[str, Tool]]


@pytest.fixture
def tools(api: ScriptedUpstream, ground: Any, tmp_path: Path, named: Any) -> Make:
    def make(
        *operations: str, spec: str = SPEC, suffix: str = ".yaml", **table: Any
    ) -> dict[str, Tool]:
        file = tmp_path / f"spec{suffix}"
        file.write_text(spec)
        settings = {
            "spec": str(file),
            "base_url": f"http://127.0.0.1:{api.port}/v1/",
            "operations": list(operations),
            "api_key_env": "API_KEY",
            **table,
        }
        made: Sequence[Tool] = create(ground({"pets": settings}, {"API_KEY": SECRET}))
        tools: dict[str, Tool] = named(made)
        return tools

    return make


async def test_an_operation_is_read_and_called(
    api: ScriptedUpstream, tools: Make, call: Any
) -> None:
    (tool,) = tools("getPet").values()
    facts = tool.facts
    assert facts.name == "pets.getPet"
    assert facts.effect == "read"
    assert facts.from_outside
    assert facts.parameters["required"] == ["petId"]
    assert set(facts.parameters["properties"]) == {"petId", "fields", "X-Tenant"}
    arguments = {"petId": "Ä/b ?#", "fields": ["a&b", "c"], "X-Tenant": "t1"}
    outcome = await tool.call(call(tool, arguments))
    assert outcome.data["path"] == "/v1/pets/%C3%84%2Fb%20%3F%23?fields=a%26b&fields=c"
    assert outcome.data["tag"] == "t1"
    assert outcome.from_outside
    assert outcome.data_class == DataClass.INTERNAL
    assert api.exchanges[0].headers["authorization"] == f"Bearer {SECRET}"
    assert await tool.reconcile(call(tool, arguments)) == NeverHappened()


async def test_json_and_yaml_say_the_same(tools: Make) -> None:
    as_json = msgspec.json.encode(msgspec.yaml.decode(SPEC)).decode()
    wanted = ("getPet", "GET /pets", "createPet")
    assert [tool.facts for tool in tools(*wanted).values()] == [
        tool.facts for tool in tools(*wanted, spec=as_json, suffix=".json").values()
    ]


async def test_a_body_and_a_key(api: ScriptedUpstream, tools: Make, call: Any) -> None:
    found = tools(
        "createPet", "changePet", key_header="Idempotency-Key", effects={"changePet": "write"}
    )
    create_pet, change = found["pets.createPet"], found["pets.changePet"]
    assert create_pet.facts.effect == "external"
    assert change.facts.effect == "write"
    assert create_pet.facts.takes_key
    body = create_pet.facts.parameters["properties"]["body"]
    assert body == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 40},
            "tag": {"type": ["string", "null"]},
        },
        "required": ["name"],
    }
    assert change.facts.parameters["required"] == ["petId", "body"]
    outcome = await create_pet.call(call(create_pet, {"body": {"name": "Rex"}}))
    assert outcome.data["body"] == '{"name":"Rex"}'
    assert api.exchanges[0].headers["idempotency-key"] == "effect-1"
    assert await create_pet.reconcile(call(create_pet)) is None


@pytest.mark.parametrize(
    "value",
    [
        "..",
        ".",
        "../admin",
        "a/../b",
        "..\\x",
        "%2e%2e",
        "%252e%252e%252fa",
        "",
        "a//b",
        "\n",
        "a\x00",
    ],
)
async def test_no_value_leads_to_another_place(
    value: str, api: ScriptedUpstream, tools: Make, call: Any
) -> None:
    (tool,) = tools("getPet").values()
    with pytest.raises(ToolFailed, match="petId"):
        await tool.call(call(tool, {"petId": value}))
    assert api.exchanges == []


@pytest.mark.parametrize("value", ["a\r\nX-Other: 1", "ä", "\x7f"])
async def test_no_value_ends_a_header(
    value: str, api: ScriptedUpstream, tools: Make, call: Any
) -> None:
    (tool,) = tools("getPet").values()
    with pytest.raises(ToolFailed, match="X-Tenant"):
        await tool.call(call(tool, {"petId": "1", "X-Tenant": value}))
    assert api.exchanges == []


@pytest.mark.parametrize(
    ("status", "read", "other"),
    [
        (404, ToolFailed, ToolFailed),
        (408, ToolFailed, OutcomeUnknown),
        (500, ToolFailed, OutcomeUnknown),
    ],
)
async def test_statuses(
    status: int,
    read: type[Exception],
    other: type[Exception],
    api: ScriptedUpstream,
    tools: Make,
    call: Any,
) -> None:
    async def failing(exchange: Exchange) -> None:
        await exchange.plain({"error": f"no: {SECRET}"}, status=status)

    api.script = failing
    found = tools("getPet", "createPet")
    for name, arguments, expected in (
        ("pets.getPet", {"petId": "1"}, read),
        ("pets.createPet", {"body": {"name": "x"}}, other),
    ):
        with pytest.raises(expected, match=f"answers {status}") as told:
            await found[name].call(call(found[name], arguments))
        assert SECRET not in str(told.value)


async def test_a_long_answer_is_cut_while_it_is_read(
    api: ScriptedUpstream, tools: Make, call: Any
) -> None:
    sent = 0

    async def huge(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.begin_stream("text/plain")
        for _ in range(50):
            await exchange.chunk(b"x" * 1_000_000)
            sent += 1

    api.script = huge
    (tool,) = tools("getPet").values()
    outcome = await tool.call(call(tool, {"petId": "1"}))
    assert outcome.text.endswith("[cut: there is more]")
    assert len(outcome.text) < 64 * 1024
    await api.left()
    assert sent < 50


async def test_what_a_redirect_says_is_not_followed(
    api: ScriptedUpstream, tools: Make, call: Any
) -> None:
    async def elsewhere(exchange: Exchange) -> None:
        await exchange.plain(b"", status=303, headers="Location: /other\r\n")

    api.script = elsewhere
    found = tools("getPet", "createPet")
    with pytest.raises(ToolFailed, match="redirect"):
        await found["pets.getPet"].call(call(found["pets.getPet"], {"petId": "1"}))
    with pytest.raises(OutcomeUnknown, match="redirect"):
        await found["pets.createPet"].call(call(found["pets.createPet"], {"body": {"name": "x"}}))
    assert len(api.exchanges) == 2


async def test_a_task_that_read_too_much_is_not_sent_there(
    api: ScriptedUpstream, tools: Make, call: Any
) -> None:
    (tool,) = tools("getPet", up_to="public").values()
    with pytest.raises(ToolRefused, match="internal"):
        await tool.call(call(tool, {"petId": "1"}, data_class=DataClass.INTERNAL))
    assert api.exchanges == []


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ("getPets", "It has: getPet"),
        ("upload", "not JSON"),
        ("far", "outside"),
        ("knot", "levels deep"),
        ("dots", "cannot be used"),
    ],
)
async def test_an_operation_that_cannot_be_a_tool_stops_the_start(
    operation: str, told: str, tools: Make
) -> None:
    with pytest.raises(SettingsError, match=told):
        tools(operation)


async def test_a_file_that_multiplies_itself_is_refused(tools: Make) -> None:
    lines = ["openapi: 3.0.0", "a0: &a0 {type: object}"]
    for step in range(1, 12):
        copies = ", ".join(f"p{i}: *a{step - 1}" for i in range(10))
        lines.append(f"a{step}: &a{step} {{type: object, properties: {{{copies}}}}}")
    lines.append("paths: {/x: {post: {operationId: x, requestBody: {content:")
    lines.append("  {application/json: {schema: *a11}}}}}}")
    with pytest.raises(SettingsError, match="2000 parts"):
        tools("x", spec="\n".join(lines))


@pytest.mark.parametrize(
    "spec", ["swagger: '2.0'", "[1]", "{", "openapi: 3.0.0\n" + "#" * (5 << 20)]
)
async def test_what_is_no_description(spec: str, tools: Make) -> None:
    with pytest.raises(SettingsError, match=r"tools\.openapi\.pets"):
        tools("getPet", spec=spec)
