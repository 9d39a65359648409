"""Our client before servers made with the protocol's own SDK, over both roads and both kinds of
revision."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from secondbasket.apps.tools.mcp.family import McpTools
from secondbasket.core.data_class import DataClass
from secondbasket.core.ports import Tool
from secondbasket.core.tool import NeverHappened, ToolOutcome
from secondbasket.errors import ToolFailed, ToolRefused

pytestmark = pytest.mark.anyio

TESTS = Path(__file__).parents[3]
COMMAND = [sys.executable, str(TESTS / "mcp_sdk_server.py")]
PARCEL = {"weight_grams": 5, "to": {"street": "Hauptstraße 1", "city": "Wien"}}
NEW = b"2026-07-28"
TABLES = {
    "add": {"effect": "read"},
    "send": {
        "effect": "write",
        "key_argument": "request_id",
        "status": {"tool": "find", "argument": "request_id", "absent": "no such parcel"},
    },
    "refuse": {"effect": "read"},
}
NAMES = ("add", "send", "find", "near", "refuse", "surroundings")
Named = Callable[[Sequence[Tool]], dict[str, Tool]]


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """`app` on loopback; its URL without a slash at the end."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on", ws="none")
    )
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - see below
        await asyncio.sleep(0.01)  # it has no event to wait for
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await running


class OnlyNew:
    """A server that knows no handshake: it says so, and names the revision that it speaks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or dict(scope["headers"]).get(b"mcp-protocol-version") == NEW:
            await self._app(scope, receive, send)
            return
        error = {"code": -32022, "message": "no", "data": {"supported": [NEW.decode()]}}
        told = {"jsonrpc": "2.0", "id": None, "error": error}
        await JSONResponse(told, status_code=400)(scope, receive, send)


@pytest.fixture(params=["stdio", "http", "http stateless", "http json", "http new"])
async def tools(request: pytest.FixtureRequest, servers: Any) -> AsyncIterator[McpTools]:
    if request.param == "stdio":
        yield servers({"parcels": {"command": COMMAND, "tools": TABLES}})
        return
    from tests.mcp_sdk_server import make_server

    app: ASGIApp = make_server().streamable_http_app(
        stateless_http=request.param == "http stateless", json_response=request.param == "http json"
    )
    if request.param == "http new":
        app = OnlyNew(app)
    async with serving(app) as url:
        yield servers({"parcels": {"url": f"{url}/mcp", "tools": TABLES}})


async def test_tools_are_found_and_used(tools: McpTools, call: Any, named: Named) -> None:
    assert len(tools) == 0, "nothing is asked before discover"
    found = named(await tools.discover())
    assert tools.problems == {}
    assert set(found) == {f"parcels.{n}" for n in NAMES}
    assert list(found.values()) == list(tools)
    add = found["parcels.add"]
    assert add.facts.effect == "read"
    assert add.facts.from_outside
    assert add.facts.data_class == DataClass.INTERNAL
    assert set(add.facts.parameters["properties"]) == {"a", "b"}
    assert found["parcels.find"].facts.effect == "external", "what the settings do not name"

    outcome = await add.call(call(add, {"a": 2, "b": 40}))
    assert outcome.text == "42"
    assert outcome.from_outside
    assert outcome.data == {"result": 42}


async def test_many_calls_at_once_get_their_own_answers(
    tools: McpTools, call: Any, named: Named
) -> None:
    add = named(await tools.discover())["parcels.add"]
    outcomes = await asyncio.gather(*(add.call(call(add, {"a": n, "b": n})) for n in range(20)))
    assert [outcome.text for outcome in outcomes] == [str(2 * n) for n in range(20)]


async def test_a_key_makes_a_call_happen_once(tools: McpTools, call: Any, named: Named) -> None:
    found = named(await tools.discover())
    send = found["parcels.send"]
    assert send.facts.takes_key
    parcel = send.facts.parameters["properties"]["parcel"]
    assert "request_id" not in send.facts.parameters["properties"]
    assert "request_id" not in send.facts.parameters["required"]
    assert parcel["properties"]["to"]["properties"]["city"] == {
        "title": "City",
        "type": "string",
    }, "references are followed, patterns are left to the server"
    first, other = call(send, {"parcel": PARCEL}), call(send, {"parcel": PARCEL}, key="effect-2")
    assert await send.reconcile(first) == NeverHappened()
    outcome = await send.call(first)
    assert outcome.text == "parcel 1 to Wien"
    assert (await send.call(first)).text == outcome.text
    told = await send.reconcile(first)
    assert isinstance(told, ToolOutcome)
    assert told.text == outcome.text
    assert await send.reconcile(other) == NeverHappened()
    assert (await send.call(other)).text == "parcel 2 to Wien"


async def test_without_a_status_tool_nobody_can_know(
    tools: McpTools, call: Any, named: Named
) -> None:
    found = named(await tools.discover())
    find, add = found["parcels.find"], found["parcels.add"]
    assert await find.reconcile(call(find, {"request_id": "1"})) is None
    assert await add.reconcile(call(add, {"a": 1, "b": 2})) == NeverHappened()


async def test_what_the_server_refuses(tools: McpTools, call: Any, named: Named) -> None:
    found = named(await tools.discover())
    refuse, find = found["parcels.refuse"], found["parcels.find"]
    with pytest.raises(ToolFailed, match="the depot is closed"):
        await refuse.call(call(refuse))
    told = await find.call(call(find, {"request_id": 7}))  # wrong, and not marked as only reading
    assert "says that it failed" in told.text
    assert "may have acted" in told.text


async def test_arguments_that_are_repeated_as_headers(
    tools: McpTools, call: Any, named: Named
) -> None:
    near = named(await tools.discover())["parcels.near"]
    outcome = await near.call(call(near, {"city": "St. Pölten", "express": True}))
    assert outcome.text == "the depot near St. Pölten, express"


async def test_a_task_that_read_too_much_is_not_sent_there(
    tools: McpTools, call: Any, named: Named
) -> None:
    add = named(await tools.discover())["parcels.add"]
    with pytest.raises(ToolRefused, match="confidential"):
        await add.call(call(add, {"a": 1, "b": 2}, data_class=DataClass.CONFIDENTIAL))


async def test_a_child_gets_what_the_settings_name_and_no_more(
    servers: Any, call: Any, named: Named, tmp_path: Path
) -> None:
    table = {
        "command": COMMAND,
        "environment": ["PARCELS_TOKEN"],
        "variables": {"PARCELS_REGION": "at"},
        "tools": {"surroundings": {"effect": "read"}},
    }
    start = {**os.environ, "PARCELS_TOKEN": "t0ken", "OTHER_SECRET": "s3cret"}
    tools = servers({"parcels": table}, environment=start)
    told = named(await tools.discover())["parcels.surroundings"]
    outcome = await told.call(call(told))
    environment = outcome.data["environment"]
    assert environment["PARCELS_TOKEN"] == "t0ken"
    assert environment["PARCELS_REGION"] == "at"
    assert set(environment) - {"LC_CTYPE"} == {"PATH", "PARCELS_TOKEN", "PARCELS_REGION"}
    assert outcome.data["folder"] == str(tmp_path / "programs" / "parcels")
    log = tmp_path / "programs" / "parcels.log"
    assert "a word of greeting" in log.read_text()


async def test_the_sdk_is_not_loaded_for_it(tmp_path: Path) -> None:
    code = (
        "import sys; import secondbasket.apps.tools.mcp.family,"
        " secondbasket.apps.tools.openapi.family, secondbasket.server.mcp.routes;"
        " heavy = {'mcp', 'mcp_types', 'pydantic', 'jsonschema', 'yaml', 'httpx2'};"
        " print(sorted(heavy & set(sys.modules)))"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    assert out.strip() == b"[]"
