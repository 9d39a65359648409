"""One server: greeted in the revision it speaks, asked for its tools, and to use one of them."""

import itertools
from collections.abc import Mapping
from typing import Any

import anyio
import msgspec

from secondbasket import __version__
from secondbasket.apps.tools.foreign_text import one_line
from secondbasket.apps.tools.mcp.listing import ForeignTool, Listing, read_listing
from secondbasket.apps.tools.mcp.plan import ServerPlan
from secondbasket.apps.tools.mcp.transport import Forgotten, Transport
from secondbasket.errors import OutcomeUnknown, ToolFailed, ToolRefused
from secondbasket.wires.mcp import versions
from secondbasket.wires.mcp.messages import (
    METHOD_NOT_FOUND,
    NOT_CARRIED_OUT,
    UNSUPPORTED_VERSION,
    Message,
    RpcError,
    notification,
    request,
)
from secondbasket.wires.mcp.tools import CallResult, ToolPage

_MOST_PAGES = 20
_MOST_LISTED = 1000
_WORDS = 500
_US = {"name": "secondbasket", "version": __version__}


class Server:
    """Asks over `transport`; its tools are pinned as they were first listed.

    Every question about the tools and every greeting must be answered within
    the plan's `start_seconds`; how long a call may take is the asker's to say.
    """

    def __init__(self, plan: ServerPlan, transport: Transport) -> None:
        self.plan = plan
        self._transport = transport
        self._greeting = anyio.Lock()
        self._greeted = 0
        self._version = ""
        self._numbers = itertools.count(1)
        self._pins: dict[str, str] = {}

    async def listing(self) -> Listing:
        """What it offers now. Raises ToolFailed.

        The first time a tool is seen its sum is taken down, unless the settings
        name one. A tool of another sum is none of them from then on.
        """
        listing = await self._list()
        changed: dict[str, str] = {}
        for name, tool in listing.tools.items():
            pin = self._pins.setdefault(name, self.plan.of_tool(name).sha256 or tool.sha256)
            if tool.sha256 != pin:
                changed[name] = str(self._changed(tool))
        kept = {name: tool for name, tool in listing.tools.items() if name not in changed}
        return Listing(kept, {**listing.refused, **changed})

    async def unchanged(self, name: str) -> ForeignTool:
        """The tool as it was accepted. Raises ToolRefused where the server tells of another now."""
        listing = await self._list()
        tool = listing.tools.get(name)
        if tool is None:
            why = listing.refused.get(name, "the server does not list it any more")
            raise ToolFailed(f"'{name}' of '{self.plan.name}' is not to be had: {why}")
        if tool.sha256 != self._pins.get(name, tool.sha256):
            raise self._changed(tool)
        return tool

    async def call(self, tool: ForeignTool, arguments: Mapping[str, Any]) -> CallResult:
        """Use `tool`. Raises ToolFailed where it did nothing, OutcomeUnknown where nobody knows."""
        answered = await self._ask(
            "tools/call",
            {"name": tool.name, "arguments": dict(arguments)},
            {
                versions.NAME_HEADER: versions.encode_header(tool.name),
                **versions.parameter_headers(tool.schema, arguments),
            },
        )
        if isinstance(answered.error, RpcError):
            raise self._failed(answered.error)
        try:
            return msgspec.convert(answered.result, type=CallResult)
        except msgspec.ValidationError as exc:
            raise OutcomeUnknown(
                f"The server '{self.plan.name}' answered what is no result of a tool."
            ) from exc

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _list(self) -> Listing:
        entries: list[dict[str, Any]] = []
        cursor: str | None = None
        await self._greet()
        try:
            with anyio.fail_after(self.plan.table.start_seconds):
                for _ in range(_MOST_PAGES):
                    page = await self._page(cursor)
                    entries += page.tools
                    cursor = page.next_cursor
                    if cursor is None or len(entries) > _MOST_LISTED:
                        break
        except OutcomeUnknown as exc:  # to be asked what there is does nothing
            raise ToolFailed(exc.message, hint=exc.hint) from exc
        except TimeoutError as exc:
            raise ToolFailed(
                f"The server '{self.plan.name}' did not say in time which tools it has."
            ) from exc
        if cursor is not None or len(entries) > _MOST_LISTED:
            raise ToolFailed(f"The list of the server '{self.plan.name}' does not end.")
        return read_listing(entries, allow=self.plan.table.allow, most=self.plan.table.most_tools)

    async def _page(self, cursor: str | None) -> ToolPage:
        answered = await self._ask("tools/list", {"cursor": cursor} if cursor else {}, {})
        if isinstance(answered.error, RpcError):
            raise self._failed(answered.error)
        try:
            return msgspec.convert(answered.result, type=ToolPage)
        except msgspec.ValidationError as exc:
            raise ToolFailed(
                f"The server '{self.plan.name}' answered what is no list of tools."
            ) from exc

    async def _ask(
        self, method: str, params: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Message:
        await self._greet()
        try:
            return await self._send_greeted(method, params, headers)
        except Forgotten:
            await self._greet()
            return await self._send_greeted(method, params, headers)

    async def _send_greeted(
        self, method: str, params: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Message:
        if self._version != versions.ENVELOPE:
            return await self._send(method, params, {versions.VERSION_HEADER: self._version})
        return await self._send(
            method, self._enveloped(params), {**headers, **_envelope_headers(method)}
        )

    async def _greet(self) -> None:
        await self._transport.open()
        async with self._greeting:
            if self._greeted == self._transport.epoch:
                return
            epoch = self._transport.epoch
            try:
                with anyio.fail_after(self.plan.table.start_seconds):
                    self._version = await self._agree()
            except OutcomeUnknown as exc:  # a greeting does nothing
                raise ToolFailed(exc.message, hint=exc.hint) from exc
            except TimeoutError as exc:
                raise ToolFailed(
                    f"The server '{self.plan.name}' did not answer our greeting in time."
                ) from exc
            self._greeted = epoch

    async def _agree(self) -> str:
        """The revision both speak. The handshake first: almost every server knows it."""
        answered = await self._send(
            "initialize",
            {
                "protocolVersion": versions.NEWEST_HANDSHAKE,
                "capabilities": {},
                "clientInfo": _US,
            },
            {},
        )
        if isinstance(answered.error, RpcError):
            if answered.error.code not in (UNSUPPORTED_VERSION, METHOD_NOT_FOUND):
                raise self._failed(answered.error)
            return await self._discover()
        result = answered.result if isinstance(answered.result, dict) else {}
        version = result.get("protocolVersion")
        if version not in versions.HANDSHAKES:
            raise self._stranger(version)
        await self._transport.tell(
            notification("notifications/initialized"), {versions.VERSION_HEADER: str(version)}
        )
        return str(version)

    async def _discover(self) -> str:
        method = "server/discover"
        answered = await self._send(method, self._enveloped({}), _envelope_headers(method))
        result = answered.result if isinstance(answered.result, dict) else {}
        supported = result.get("supportedVersions")
        if not isinstance(supported, list) or versions.ENVELOPE not in supported:
            raise self._stranger(supported)
        return versions.ENVELOPE

    def _changed(self, tool: ForeignTool) -> ToolRefused:
        named = self.plan.of_tool(tool.name).sha256 is not None
        accept = "name" if named else "restart, or name"
        return ToolRefused(
            f"The server '{self.plan.name}' tells of another '{tool.name}' than was accepted.",
            hint=f"To accept it, your operator can look at it and {accept} its sum:"
            f" tools.mcp.servers.{self.plan.name}.tools.{tool.name}.sha256 = '{tool.sha256}'.",
        )

    def _stranger(self, version: object) -> ToolFailed:
        return ToolFailed(
            f"The server '{self.plan.name}' speaks a revision of the protocol that is not spoken"
            f" here: {one_line(str(version), 80)}."
        )

    def _enveloped(self, params: Mapping[str, Any]) -> dict[str, Any]:
        meta = {
            versions.VERSION_KEY: versions.ENVELOPE,
            versions.CLIENT_KEY: _US,
            versions.CAPABILITIES_KEY: {},
        }
        return {**params, "_meta": meta}

    async def _send(
        self, method: str, params: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Message:
        return await self._transport.ask(request(next(self._numbers), method, params), headers)

    def _failed(self, error: RpcError) -> ToolFailed | OutcomeUnknown:
        told = f"The server '{self.plan.name}' says: {one_line(error.message, _WORDS)}"
        return ToolFailed(told) if error.code in NOT_CARRIED_OUT else OutcomeUnknown(told)


def _envelope_headers(method: str) -> dict[str, str]:
    return {versions.VERSION_HEADER: versions.ENVELOPE, versions.METHOD_HEADER: method}
