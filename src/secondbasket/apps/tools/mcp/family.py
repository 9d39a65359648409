"""The family: one server for each table of the settings, and their tools together."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import anyio

from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.mcp.http import HttpTransport
from secondbasket.apps.tools.mcp.plan import ServerPlan, read_plans
from secondbasket.apps.tools.mcp.server import Server
from secondbasket.apps.tools.mcp.stdio import StdioTransport
from secondbasket.apps.tools.mcp.tool import McpTool
from secondbasket.apps.tools.mcp.transport import Transport
from secondbasket.core.ports import Tool
from secondbasket.errors import SettingsError, ToolError

_log = logging.getLogger(__name__)


class McpTools(Sequence[Tool]):
    """The tools of all servers that have answered; none before `discover`.

    `problems` says by server, and by 'server.tool', what is not to be had and why.
    """

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers
        self._tools: tuple[Tool, ...] = ()
        self.problems: dict[str, str] = {}

    async def discover(self) -> Sequence[Tool]:
        """Ask every server, all at once. One that does not answer is left out and told of."""
        found: dict[str, list[Tool]] = {}
        self.problems = {}
        async with anyio.create_task_group() as asking:
            for server in self._servers:
                asking.start_soon(self._discover, server, found)
        self._tools = tuple(tool for name in sorted(found) for tool in found[name])
        return self._tools

    async def aclose(self) -> None:
        """End the servers that we started."""
        async with anyio.create_task_group() as closing:
            for server in self._servers:
                closing.start_soon(server.aclose)

    async def _discover(self, server: Server, found: dict[str, list[Tool]]) -> None:
        name = server.plan.name
        try:
            listing = await server.listing()
            tools: list[Tool] = [McpTool(server, each) for each in listing.tools.values()]
        except (ToolError, SettingsError) as exc:
            self._miss(name, str(exc))
            return
        for tool, why in listing.refused.items():
            self._miss(f"{name}.{tool}", why)
        for missing in sorted(set(server.plan.table.tools) - set(listing.tools)):
            self.problems.setdefault(f"{name}.{missing}", "the server does not list it")
        for each in listing.tools.values():
            _log.info("tool %s.%s has the sum %s", name, each.name, each.sha256)
        found[name] = tools

    def _miss(self, what: str, why: str) -> None:
        self.problems[what] = why
        _log.warning("%s is left out: %s", what, why)

    def __len__(self) -> int:
        return len(self._tools)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools)

    @overload
    def __getitem__(self, index: int) -> Tool: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Tool]: ...

    def __getitem__(self, index: int | slice) -> Tool | Sequence[Tool]:
        return self._tools[index]


def create(ground: ToolGround) -> McpTools:
    """The servers of ``[tools.mcp]``. None is started or asked before `discover`."""
    plans = read_plans(ground.settings, ground.environment)
    return McpTools([Server(plan, _transport(plan, ground)) for plan in plans])


def _transport(plan: ServerPlan, ground: ToolGround) -> Transport:
    if plan.table.url is not None:
        return HttpTransport(
            plan.name,
            plan.table.url,
            session=ground.session(f"tools of {plan.name}", plan.table.url),
            credential=plan.credential,
        )
    folder = ground.programs
    return StdioTransport(
        plan.name,
        plan.table.command,
        environment=plan.environment,
        path=ground.environment.get("PATH", os.defpath),
        folder=folder / plan.name,
        log=_log_file(folder, plan.name),
    )


def _log_file(folder: Path, name: str) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{name}.log"
