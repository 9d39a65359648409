"""The route of the MCP door."""

from starlette.routing import BaseRoute, Route

from secondbasket.server.mcp.door import McpRoute
from secondbasket.server.mcp.ports import McpPorts


def mcp_routes(ports: McpPorts) -> list[BaseRoute]:
    """The route checks its caller itself."""
    return [Route("/mcp", McpRoute(ports))]
