"""The door and the ground that tools of others stand on, and calls of them."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.mcp.family import McpTools, create
from secondbasket.apps.tools.named_places import named_urls
from secondbasket.core.data_class import DataClass
from secondbasket.core.ports import Tool
from secondbasket.core.tool import ToolCall
from secondbasket.egress.door import Door
from secondbasket.policy.destinations import DestinationRules, checked_url, destination_of

TESTS = Path(__file__).parents[3]


class MakeGround(Protocol):
    def __call__(
        self, settings: Mapping[str, Any], environment: Mapping[str, str] = ...
    ) -> ToolGround: ...


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[MakeGround]:
    """`ground(settings, environment)` → ToolGround over a door that knows the settings' places."""
    async with AsyncExitStack() as stack:

        def make(
            settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ
        ) -> ToolGround:
            named = [destination_of(checked_url(url)) for url in named_urls(settings)]
            door = Door(DestinationRules(named=named), lambda decision: None)
            stack.push_async_callback(door.aclose)
            return ToolGround(
                session=lambda purpose, base_url: door.session(purpose, base_url=base_url),
                settings=settings,
                programs=tmp_path / "programs",
                environment=environment,
            )

        yield make


class Record:
    """What a hostile server wrote down of what it was asked."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def of(self, word: str) -> list[str]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [line.removeprefix(word).strip() for line in lines if line.startswith(word)]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "record")


Servers = Callable[..., McpTools]


@pytest.fixture
async def servers(ground: MakeGround) -> AsyncIterator[Servers]:
    """`servers({NAME: table}, environment)` → McpTools, closed at the end."""
    async with AsyncExitStack() as stack:

        def make(tables: Mapping[str, Any], **more: Any) -> McpTools:
            tools = create(ground({"servers": tables}, **more))
            stack.push_async_callback(tools.aclose)
            return tools

        yield make


Hostile = Callable[..., McpTools]


@pytest.fixture
def hostile(servers: Servers, record: Record) -> Hostile:
    """`hostile(MODE, **table)` → the tools of that server, under the name 'other'."""

    def make(mode: str, **table: Any) -> McpTools:
        command = [sys.executable, "-I", str(TESTS / "mcp_hostile_server.py"), mode]
        return servers({"other": {"command": [*command, str(record.file)], **table}})

    return make


class Calls(Protocol):
    def __call__(self, tool: Tool, arguments: Mapping[str, Any] = ..., **more: Any) -> ToolCall: ...


@pytest.fixture
def call(tmp_path: Path) -> Calls:
    """A call of a tool, as a task makes it."""

    def make(tool: Tool, arguments: Mapping[str, Any] | None = None, **more: Any) -> ToolCall:
        folder = tmp_path / "task"
        folder.mkdir(exist_ok=True)
        return ToolCall(
            **{
                "key": "effect-1",
                "task": "task_1",
                "worker": "clerk",
                "arguments": arguments or {},
                "folder": folder,
                "data_class": DataClass.PUBLIC,
                **more,
            }
        )

    return make


@pytest.fixture
def named() -> Callable[[Sequence[Tool]], dict[str, Tool]]:
    """Tools by their names."""
    return lambda tools: {tool.facts.name: tool for tool in tools}
