"""Servers that mean no good, behind a URL; and what is never taken from them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from secondbasket.apps.tools.mcp.plan import read_plans
from secondbasket.errors import OutcomeUnknown, SettingsError, ToolFailed
from secondbasket.testing.scripted_upstream import Exchange, ScriptedUpstream, scripted_upstream

pytestmark = pytest.mark.anyio

SECRET = "key-0123456789"
TOOL = {"name": "use", "description": "Does something.", "inputSchema": {"type": "object"}}
Answer = Callable[[Exchange, Any], Awaitable[None]]


class Place:
    """A server over HTTP; `on_call` answers a call, `tools` is its list."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.upstream = upstream
        self.url = f"http://127.0.0.1:{upstream.port}/mcp"
        self.tools: list[Any] = [TOOL]
        self.session: str | None = None
        self.calls = 0
        self.left: list[str] = []
        self.on_call: Answer = self.done

    async def done(self, exchange: Exchange, number: Any) -> None:
        content = [{"type": "text", "text": "done"}]
        await exchange.plain({"jsonrpc": "2.0", "id": number, "result": {"content": content}})

    async def script(self, exchange: Exchange) -> None:
        if not exchange.body:
            self.left.append(exchange.headers["mcp-session-id"])
            await exchange.plain(b"", status=204)
            return
        message = exchange.json()
        number, method = message.get("id"), message["method"]
        if method == "initialize":
            self.session = f"session-{len(self.upstream.exchanges)}"
            result = {"protocolVersion": "2025-11-25", "capabilities": {}}
            head = f"Mcp-Session-Id: {self.session}\r\n"
            await exchange.plain({"jsonrpc": "2.0", "id": number, "result": result}, headers=head)
        elif exchange.headers.get("mcp-session-id") != self.session:
            await exchange.plain({"error": "no such session"}, status=404)
        elif number is None:
            await exchange.plain(b"", status=202)
        elif method == "tools/list":
            await exchange.plain({"jsonrpc": "2.0", "id": number, "result": {"tools": self.tools}})
        else:
            self.calls += 1
            await self.on_call(exchange, number)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async def first(exchange: Exchange) -> None:
        await found.script(exchange)

    async with scripted_upstream(first) as upstream:
        found = Place(upstream)
        yield found


@pytest.fixture
def tools(place: Place, servers: Any) -> Callable[..., Any]:
    def make(**table: Any) -> Any:
        start = {"PLACE_KEY": SECRET}
        return servers(
            {"other": {"url": place.url, "api_key_env": "PLACE_KEY", **table}}, environment=start
        )

    return make


async def only(tools: Any) -> Any:
    (tool,) = await tools.discover()
    return tool


async def test_the_key_goes_there_and_comes_back_in_no_answer(
    place: Place, tools: Any, call: Any
) -> None:
    async def repeat(exchange: Exchange, number: Any) -> None:
        content = [{"type": "text", "text": exchange.headers["authorization"]}]
        await exchange.plain({"jsonrpc": "2.0", "id": number, "result": {"content": content}})

    place.on_call = repeat
    tool = await only(tools())
    assert (await tool.call(call(tool))).text == "Bearer [key]"
    assert all(
        exchange.headers["authorization"] == f"Bearer {SECRET}"
        for exchange in place.upstream.exchanges
    )


@pytest.mark.parametrize("effect", ["read", "write"])
async def test_fifty_megabytes_are_not_read(
    effect: str, place: Place, tools: Any, call: Any
) -> None:
    sent = 0

    async def huge(exchange: Exchange, number: Any) -> None:
        nonlocal sent
        await exchange.begin_stream("application/json")
        for _ in range(50):
            await exchange.chunk(b"x" * 1_000_000)
            sent += 1

    place.on_call = huge
    tool = await only(tools(tools={"use": {"effect": effect}}))
    with pytest.raises(ToolFailed if effect == "read" else OutcomeUnknown, match="more than"):
        await tool.call(call(tool))
    await place.upstream.left()
    assert sent < 50


@pytest.mark.parametrize("event", [b"data: " + b"x" * 500_000, b": ping\n\n" * 50_000])
async def test_a_stream_without_an_end_is_left(
    event: bytes, place: Place, tools: Any, call: Any
) -> None:
    async def endless(exchange: Exchange, number: Any) -> None:
        await exchange.begin_stream()
        while True:
            await exchange.chunk(event)

    place.on_call = endless
    tool = await only(tools())
    with pytest.raises(OutcomeUnknown, match=r"endless|without an end"):
        async with asyncio.timeout(20):
            await tool.call(call(tool))
    await place.upstream.left()


async def test_an_answer_in_a_stream_among_other_things(
    place: Place, tools: Any, call: Any
) -> None:
    async def stream(exchange: Exchange, number: Any) -> None:
        await exchange.begin_stream()
        await exchange.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
        await exchange.event({"jsonrpc": "2.0", "id": 4711, "result": {"content": []}})
        result = {"content": [{"type": "text", "text": "mine"}]}
        await exchange.event({"jsonrpc": "2.0", "id": number, "result": result})

    place.on_call = stream
    tool = await only(tools())
    assert (await tool.call(call(tool))).text == "mine"


async def test_a_connection_that_breaks_leaves_it_unknown(
    place: Place, tools: Any, call: Any
) -> None:
    async def broken(exchange: Exchange, number: Any) -> None:
        exchange.reset()

    place.on_call = broken
    tool = await only(tools())
    with pytest.raises(OutcomeUnknown, match="broke off"):
        await tool.call(call(tool))
    assert place.calls == 1, "not sent again"


async def test_a_redirect_is_not_followed(place: Place, tools: Any, call: Any) -> None:
    async def elsewhere(exchange: Exchange, number: Any) -> None:
        await exchange.plain(b"", status=307, headers="Location: http://169.254.169.254/\r\n")

    place.on_call = elsewhere
    tool = await only(tools())
    with pytest.raises(OutcomeUnknown, match="redirect"):
        await tool.call(call(tool))


async def test_a_forgotten_session_is_opened_again(place: Place, tools: Any, call: Any) -> None:
    tool = await only(tools())
    place.session = "another"
    assert (await tool.call(call(tool))).text == "done"
    assert place.calls == 1


async def test_it_takes_leave(place: Place, tools: Any) -> None:
    found = tools()
    await found.discover()
    await found.aclose()
    assert place.left == [place.session]


async def test_a_server_that_asks_for_more_is_not_answered(
    place: Place, tools: Any, call: Any
) -> None:
    async def asks(exchange: Exchange, number: Any) -> None:
        result = {"resultType": "input_required", "requestState": "x", "content": []}
        await exchange.plain({"jsonrpc": "2.0", "id": number, "result": result})

    place.on_call = asks
    tool = await only(tools())
    with pytest.raises(OutcomeUnknown, match="asks for more"):
        await tool.call(call(tool))


async def test_hints_of_the_server_lower_nothing(place: Place, tools: Any) -> None:
    hints = {"readOnlyHint": True, "destructiveHint": False, "openWorldHint": False}
    place.tools = [TOOL | {"annotations": hints}]
    tool = await only(tools())
    assert tool.facts.effect == "external"
    assert tool.facts.from_outside


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_who_does_not_let_us_in_did_nothing(
    status: int, place: Place, tools: Any, call: Any
) -> None:
    async def closed(exchange: Exchange, number: Any) -> None:
        await exchange.plain({"error": SECRET}, status=status)

    place.on_call = closed
    tool = await only(tools())
    with pytest.raises(ToolFailed) as told:
        await tool.call(call(tool))
    assert SECRET not in str(told.value)


async def test_nobody_there_is_no_unknown_outcome(place: Place, tools: Any, call: Any) -> None:
    found = tools()
    tool = await only(found)
    tool._server._transport._url = tool._server._transport._url.with_port(1)
    with pytest.raises(ToolFailed):
        await tool.call(call(tool))


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "either a command or a url"),
        ({"command": ["a"], "url": "http://a/"}, "either a command or a url"),
        ({"url": "http://user@a/"}, "user name"),
        ({"url": "http://a/", "api_key_env": "MISSING"}, "MISSING"),
        ({"command": ["a"], "environment": ["MISSING"]}, "MISSING"),
        ({"command": "rm -rf /"}, "Expected `array`"),
        ({"command": ["a"], "effect": "read"}, "unknown field"),
        ({"command": ["a"], "data_class": "x"}, "data_class"),
        ({"command": ["a"], "tools": {"t": {"effect": "none"}}}, "effect"),
        ({"command": ["a"], "tools": {"t": {"sha256": "abc"}}}, "sha256"),
        (
            {
                "command": ["a"],
                "allow": ["t"],
                "tools": {"t": {"status": {"tool": "s", "argument": "k", "absent": "no"}}},
            },
            "status names 's'",
        ),
    ],
)
async def test_a_bad_setting_is_named(table: Any, told: str) -> None:
    with pytest.raises(SettingsError, match=r"tools\.mcp") as error:
        read_plans({"servers": {"other": table}}, {})
    assert told in str(error.value)


@pytest.mark.parametrize("name", ["mcp", "openapi", "Files", "a.b", "../a"])
async def test_a_server_cannot_take_a_name_of_ours(name: str, servers: Any) -> None:
    with pytest.raises(SettingsError, match="cannot have that name"):
        servers({name: {"command": ["a"]}})
