"""The MCP door before the protocol's own SDK, in both kinds of its revisions, and before callers
who keep to none."""

import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import pytest
from jsonschema import Draft202012Validator
from mcp import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import BlobResourceContents, CallToolResult, EmbeddedResource, TextContent
from starlette.routing import Router

from secondbasket.core.key import Key
from secondbasket.errors import AuthenticationFailed
from secondbasket.server.hosts import AllowedHosts
from secondbasket.server.mcp.ports import McpPorts
from secondbasket.server.mcp.routes import mcp_routes
from secondbasket.server.serve import Listener
from tests.task_desk import TaskDeskInMemory

pytestmark = pytest.mark.anyio

MODES = ["auto", "legacy"]
TOOLS = {"list_workers", "delegate_task", "task_status", "read_deliverable"}


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


def _key(identity: str) -> Key:
    return Key(
        id=identity,
        name=identity,
        role="user",
        budget=None,
        currency="USD",
        created_at="2026-11-25T00:00:00Z",
    )


KEYS = {"sb-alice": _key("key_alice"), "sb-bob": _key("key_bob")}


@dataclass
class Door:
    url: str
    desk: TaskDeskInMemory
    refused: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def client(self, key: str = "sb-alice", mode: Any = "auto") -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
            transport = streamable_http_client(self.url, http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client

    async def post(self, message: Any = None, **more: Any) -> httpx2.Response:
        headers = {"Authorization": "Bearer sb-alice", **more.pop("headers", {})}
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
            return await http.post(self.url, json=message, **more)


def _verify(presented: str) -> Key:
    if presented not in KEYS:
        raise AuthenticationFailed("This API key is not known.")
    return KEYS[presented]


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    desk = TaskDeskInMemory()
    refused: list[str] = []
    ports = McpPorts(verify=_verify, refused=refused.append, desk=desk, max_body_bytes=1 << 20)
    listening = socket.create_server(("127.0.0.1", 0))
    listener = Listener(
        AllowedHosts(Router(mcp_routes(ports)), names=[]), listening, drain_seconds=1
    )
    async with anyio.create_task_group() as serving:
        serving.start_soon(listener.run)
        yield Door(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", desk, refused)
        listener.stop()


@pytest.mark.parametrize("mode", MODES)
async def test_a_task_from_delegation_to_deliverable(door: Door, mode: str) -> None:
    async with door.client(mode=mode) as client:
        listed = await client.list_tools()
        assert {tool.name for tool in listed.tools} == TOOLS
        for tool in listed.tools:
            Draft202012Validator.check_schema(tool.input_schema)

        workers = await client.call_tool("list_workers", {})
        assert workers.structured_content == {
            "workers": [{"name": "clerk", "role": "document clerk", "description": "Reads."}]
        }
        order = {"worker": "clerk", "text": "Read all of it.", "key": "mine"}
        delegated = await client.call_tool("delegate_task", order)
        assert not delegated.is_error
        task = delegated.structured_content["id"]
        again = await client.call_tool("delegate_task", order)
        assert again.structured_content["id"] == task
        assert len(door.desk.orders) == 1, "once under one key"

        door.desk.deliver(task, {"report.md": ("text/markdown", "Grüße".encode())})
        status = await client.call_tool("task_status", {"task": task})
        assert status.structured_content["state"] == "done"
        assert status.structured_content["deliverables"] == [
            {"name": "report.md", "media_type": "text/markdown", "size": 7}
        ]
        read = await client.call_tool("read_deliverable", {"task": task, "name": "report.md"})
        assert text_of(read) == "Grüße"
        assert read.structured_content["next_offset"] is None


async def test_a_client_session_made_by_hand(door: Door) -> None:
    headers = {"Authorization": "Bearer sb-alice"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        streamable_http_client(door.url, http_client=http) as (read, write),
        ClientSession(read, write) as session,
    ):
        greeted = await session.initialize()
        assert greeted.server_info.name == "secondbasket"
        assert greeted.instructions
        assert {tool.name for tool in (await session.list_tools()).tools} == TOOLS


@pytest.mark.parametrize("mode", MODES)
async def test_a_long_file_comes_in_parts_and_no_letter_is_torn(door: Door, mode: str) -> None:
    text = "ä€𝄞" * 70_000
    async with door.client(mode=mode) as client:
        order = {"worker": "clerk", "text": "Write."}
        task = (await client.call_tool("delegate_task", order)).structured_content["id"]
        blob = bytes(range(256)) * 8
        door.desk.deliver(
            task, {"a.txt": ("text/plain", text.encode()), "b.bin": ("image/png", blob)}
        )
        found, parts = "", 0
        offset: int | None = 0
        while offset is not None:
            asked = {"task": task, "name": "a.txt", "offset": offset}
            part = await client.call_tool("read_deliverable", asked)
            found += text_of(part)
            offset = part.structured_content["next_offset"]
            parts += 1
        assert found == text
        assert parts > 1
        other = await client.call_tool("read_deliverable", {"task": task, "name": "b.bin"})
        (given,) = other.content
        assert isinstance(given, EmbeddedResource)
        assert isinstance(given.resource, BlobResourceContents)
        assert base64.b64decode(given.resource.blob) == blob


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_wrong_with_a_call_is_said_to_who_called(door: Door, mode: str) -> None:
    async with door.client(mode=mode) as client:
        for name, arguments, code in (
            ("delegate_task", {"worker": "nobody", "text": "x"}, "not_found"),
            ("delegate_task", {"worker": "clerk"}, "invalid_request"),
            ("delegate_task", {"worker": "clerk", "text": " "}, "invalid_request"),
            ("delegate_task", {"worker": "clerk", "text": "x" * 100_001}, "invalid_request"),
            (
                "delegate_task",
                {"worker": "clerk", "text": "x", "command": ["sh"]},
                "invalid_request",
            ),
            (
                "delegate_task",
                {"worker": "clerk", "text": "x", "data_class": "secret"},
                "policy_refused",
            ),
            ("task_status", {"task": 7}, "invalid_request"),
            ("read_deliverable", {"task": "x", "name": "../../etc/passwd"}, "not_found"),
            ("read_deliverable", {"task": "x", "name": "a", "offset": 2**60}, "invalid_request"),
            ("read_deliverable", {"task": "x", "name": "a", "offset": -1}, "invalid_request"),
        ):
            result = await client.call_tool(name, arguments)
            assert result.is_error, (name, arguments)
            assert result.structured_content["error"]["code"] == code
        with pytest.raises(MCPError, match="no tool"):
            await client.call_tool("files.read", {})
        assert door.refused[-1] == "invalid_request"


@pytest.mark.parametrize("mode", MODES)
async def test_the_task_of_another_key_is_not_there(door: Door, mode: str) -> None:
    async with door.client("sb-alice", mode) as alice, door.client("sb-bob", mode) as bob:
        order = {"worker": "clerk", "text": "x", "key": "same"}
        task = (await alice.call_tool("delegate_task", order)).structured_content["id"]
        door.desk.deliver(task, {"a.txt": ("text/plain", b"private")})
        for name, more in (("task_status", {}), ("read_deliverable", {"name": "a.txt"})):
            seen = await bob.call_tool(name, {"task": task, **more})
            absent = await bob.call_tool(name, {"task": "task_none", **more})
            assert seen.is_error
            assert text_of(seen) == text_of(absent).replace("task_none", task)
        other = (await bob.call_tool("delegate_task", order)).structured_content["id"]
        assert other != task, "a caller's own word is the caller's own"


async def test_what_breaks_inside_stays_inside(door: Door, caplog: Any) -> None:
    door.desk.broken = True
    async with door.client() as client:
        with pytest.raises(MCPError, match="the log knows it as err_") as told:
            await client.call_tool("list_workers", {})
    assert "secret of the inside" not in str(told.value)
    assert "secret of the inside" in caplog.text


LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.mark.parametrize("key", [None, "sb-none", "' OR 1=1 --"])
async def test_without_a_key_nothing_is_told(door: Door, key: str | None) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(trust_env=False) as http:
        for message in (LIST, {"jsonrpc": "2.0", "method": "notifications/initialized"}, [1]):
            reply = await http.post(door.url, json=message, headers=headers)
            assert reply.status_code == 401
            assert reply.headers["www-authenticate"] == "Bearer"
            assert reply.json()["error"]["data"] == {"code": "invalid_api_key"}


async def test_other_methods_and_other_origins(door: Door) -> None:
    async with httpx2.AsyncClient(headers={"Authorization": "Bearer sb-alice"}) as http:
        for method in ("GET", "DELETE", "PUT"):
            assert (await http.request(method, door.url)).status_code == 405
    reply = await door.post(LIST, headers={"Origin": "https://evil.example"})
    assert reply.status_code == 403
    own = door.url.removesuffix("/mcp")
    assert (await door.post(LIST, headers={"Origin": own})).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b'{"jsonrpc":"2.0","params":{"a":' + b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
    ],
)
async def test_bodies_that_are_no_request(door: Door, body: bytes, code: int) -> None:
    reply = await door.post(content=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == code
    assert reply.json()["id"] is None


async def test_a_body_that_is_too_large(door: Door) -> None:
    reply = await door.post(content=b" " * ((1 << 20) + 1))
    assert reply.status_code == 413
    assert reply.json()["error"]["data"] == {"code": "body_too_large"}


async def test_revisions(door: Door) -> None:
    unknown = await door.post(LIST, headers={"MCP-Protocol-Version": "2031-01-01"})
    assert unknown.status_code == 400
    assert unknown.json()["error"]["code"] == -32022
    assert "2026-07-28" in unknown.json()["error"]["data"]["supported"]
    hello = {"protocolVersion": "1999-01-01", "capabilities": {}, "clientInfo": {}}
    greeted = await door.post(LIST | {"method": "initialize", "params": hello})
    assert greeted.json()["result"]["protocolVersion"] == "2025-11-25"
    noted = await door.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (noted.status_code, noted.content) == (202, b"")
    assert (await door.post(LIST | {"method": "ping"})).json()["result"] == {}
    absent = await door.post(LIST | {"method": "resources/list"})
    assert absent.json()["error"]["code"] == -32601


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "list_workers",
}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "list_workers", "_meta": META},
}


async def test_headers_must_say_what_the_request_does(door: Door) -> None:
    assert (await door.post(CALL, headers=HEADERS)).status_code == 200
    for wrong in ({"Mcp-Method": "tools/list"}, {"Mcp-Name": "delegate_task"}, {"Mcp-Name": ""}):
        reply = await door.post(CALL, headers=HEADERS | wrong)
        assert reply.status_code == 400
        assert reply.json()["error"]["code"] == -32020
    bare = CALL | {"params": {"name": "list_workers"}}
    reply = await door.post(bare, headers=HEADERS)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, -32602)
    absent = CALL | {"method": "tools/none"}
    reply = await door.post(absent, headers=HEADERS | {"Mcp-Method": "tools/none"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, -32601)
