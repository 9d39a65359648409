"""The tools' contract, over tools of others: an MCP server as a child, an API on loopback."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.mcp import family as mcp_family
from secondbasket.apps.tools.openapi import family as openapi_family
from secondbasket.core.ports import Tool
from secondbasket.core.tool import ToolCall
from secondbasket.egress.door import Door
from secondbasket.policy.destinations import DestinationRules, checked_url, destination_of
from secondbasket.testing.scripted_upstream import Exchange, scripted_upstream
from secondbasket.testing.tools import ToolCase, ToolContract

SERVER = Path(__file__).parents[1] / "mcp_sdk_server.py"
PARCEL = {"weight_grams": 5, "to": {"street": "Hauptstraße 1", "city": "Wien"}}
SPEC = """
openapi: 3.1.0
paths:
  /pets/{petId}:
    get:
      operationId: getPet
      parameters: [{name: petId, in: path, required: true, schema: {type: string}}]
  /pets:
    post:
      operationId: createPet
      requestBody:
        required: true
        content:
          application/json:
            schema: {type: object, required: [name], properties: {name: {type: string}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks" / "tsk_1"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
async def parcels(anyio_backend: str, tmp_path: Path) -> AsyncIterator[dict[str, Tool]]:
    table = {
        "command": [sys.executable, str(SERVER)],
        "tools": {
            "add": {"effect": "read"},
            "find": {"effect": "read"},
            "send": {
                "effect": "external",
                "key_argument": "request_id",
                "status": {"tool": "find", "argument": "request_id", "absent": "no such parcel"},
            },
        },
    }

    def nowhere(purpose: str, base_url: str | None) -> Any:
        raise AssertionError

    tools = mcp_family.create(
        ToolGround(
            session=nowhere,
            settings={"servers": {"parcels": table}},
            programs=tmp_path / "programs",
        )
    )
    yield {tool.facts.name: tool for tool in await tools.discover()}
    await tools.aclose()


@pytest.fixture
async def pets(anyio_backend: str, tmp_path: Path) -> AsyncIterator[dict[str, Tool]]:
    made: dict[str, str] = {}

    async def answer(exchange: Exchange) -> None:
        if exchange.body:
            key = exchange.headers["idempotency-key"]
            made.setdefault(key, f"pet {len(made) + 1}")
            await exchange.plain({"made": made[key]})
        else:
            await exchange.plain({"pet": exchange.path, "all": sorted(made.values())})

    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    async with scripted_upstream(answer) as api:
        url = checked_url(f"http://127.0.0.1:{api.port}")
        door = Door(DestinationRules(named=[destination_of(url)]), lambda decision: None)
        table = {
            "spec": str(spec),
            "base_url": str(url),
            "operations": ["getPet", "createPet"],
            "key_header": "Idempotency-Key",
        }
        tools = openapi_family.create(
            ToolGround(
                session=lambda purpose, base_url: door.session(purpose, base_url=base_url),
                settings={"pets": table},
                programs=tmp_path / "programs",
            )
        )
        yield {tool.facts.name: tool for tool in tools}
        await door.aclose()


def _asked(tool: Tool, folder: Path, **arguments: Any) -> Any:
    async def ask() -> object:
        call = ToolCall(
            key="eff_look", task="tsk_1", worker="contract", arguments=arguments, folder=folder
        )
        return (await tool.call(call)).text

    return ask


class TestMcpReads(ToolContract):
    @pytest.fixture
    def case(self, parcels: dict[str, Tool], folder: Path) -> ToolCase:
        return ToolCase(
            tool=parcels["parcels.add"],
            folder=folder,
            fits={"a": 2, "b": 3},
            wrong=({}, {"a": "two", "b": 3}),
        )


class TestMcpActs(ToolContract):
    @pytest.fixture
    def case(self, parcels: dict[str, Tool], folder: Path) -> ToolCase:
        return ToolCase(
            tool=parcels["parcels.send"],
            folder=folder,
            fits={"parcel": PARCEL},
            wrong=({}, {"parcel": {"to": {}}}, {"parcel": 3}),
            state=_asked(parcels["parcels.find"], folder, request_id="eff_contract"),
        )


class TestOpenApiReads(ToolContract):
    @pytest.fixture
    def case(self, pets: dict[str, Tool], folder: Path) -> ToolCase:
        return ToolCase(
            tool=pets["pets.getPet"],
            folder=folder,
            fits={"petId": "rex"},
            wrong=({}, {"petId": 3}, {"petId": "rex", "other": 1}),
            failing=({"petId": ".."}, {"petId": ""}),
        )


class TestOpenApiActs(ToolContract):
    @pytest.fixture
    def case(self, pets: dict[str, Tool], folder: Path) -> ToolCase:
        return ToolCase(
            tool=pets["pets.createPet"],
            folder=folder,
            fits={"body": {"name": "Rex"}},
            wrong=({}, {"body": {}}, {"body": "Rex"}),
            state=_asked(pets["pets.getPet"], folder, petId="all"),
        )
