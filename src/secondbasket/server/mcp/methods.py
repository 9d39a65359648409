"""What each method of the protocol is answered with, in both kinds of its revisions."""

from collections.abc import Callable, Mapping
from typing import Any

from secondbasket import __version__
from secondbasket.core.key import Key
from secondbasket.errors import BasketError
from secondbasket.server.mcp.ports import TaskDesk
from secondbasket.server.mcp.tools import TOOLS
from secondbasket.wires.mcp import versions
from secondbasket.wires.mcp.messages import INVALID_PARAMS, METHOD_NOT_FOUND, RpcFailure

_US = {"name": "secondbasket", "title": "Second Basket", "version": __version__}
_CAPABILITIES: dict[str, Any] = {"tools": {}}
_INSTRUCTIONS = (
    "Delegate work with delegate_task to one of list_workers, ask task_status until it is done,"
    " and fetch what it delivered with read_deliverable."
)
# The list is the same for whoever asks, and changes with the program only.
_LIST_SECONDS = 300


class Methods:
    """`refused` is told the code of every error that a tool answers with."""

    def __init__(self, desk: TaskDesk, refused: Callable[[str], None]) -> None:
        self._desk = desk
        self._refused = refused

    async def handshake_result(
        self, key: Key, method: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Up to 2025-11-25. Raises RpcFailure."""
        match method:
            case "initialize":
                asked = params.get("protocolVersion")
                known = asked in versions.HANDSHAKES
                return {
                    "protocolVersion": asked if known else versions.NEWEST_HANDSHAKE,
                    "capabilities": _CAPABILITIES,
                    "serverInfo": _US,
                    "instructions": _INSTRUCTIONS,
                }
            case "ping":
                return {}
            case "tools/list":
                return {"tools": _listed()}
            case "tools/call":
                return await self._called(key, params)
        raise _unknown(method)

    async def envelope_result(
        self, key: Key, method: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """From 2026-07-28 on. Raises RpcFailure."""
        match method:
            case "server/discover":
                result: dict[str, Any] = {
                    "supportedVersions": [versions.ENVELOPE],
                    "capabilities": _CAPABILITIES,
                    "instructions": _INSTRUCTIONS,
                    **_cached(),
                }
            case "tools/list":
                result = {"tools": _listed(), **_cached()}
            case "tools/call":
                result = await self._called(key, params)
            case _:
                raise _unknown(method)
        return {**result, "resultType": "complete", "_meta": {versions.SERVER_KEY: _US}}

    async def _called(self, key: Key, params: Mapping[str, Any]) -> dict[str, Any]:
        name = params.get("name")
        tool = TOOLS.get(name) if isinstance(name, str) else None
        if tool is None:
            raise RpcFailure(f"There is no tool {str(name)[:60]!r}.", rpc_code=INVALID_PARAMS)
        try:
            arguments = tool.read(params.get("arguments") or {})
            return await tool.answer(self._desk, key, arguments)
        except BasketError as error:
            # Of the tool, not of the protocol: the model that called it is to read why.
            self._refused(error.code)
            return _failed(str(error), error.code)


def _failed(told: str, code: str) -> dict[str, Any]:
    return {
        "content": [{"type": "text", "text": told}],
        "structuredContent": {"error": {"code": code, "message": told}},
        "isError": True,
    }


def _listed() -> list[dict[str, Any]]:
    return [tool.listed() for tool in TOOLS.values()]


def _cached() -> dict[str, Any]:
    return {"ttlMs": _LIST_SECONDS * 1000, "cacheScope": "public"}


def _unknown(method: str) -> RpcFailure:
    return RpcFailure(f"There is no method {method[:60]!r} here.", rpc_code=METHOD_NOT_FOUND)
