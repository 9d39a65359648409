"""A server made with the protocol's own SDK, for clients of ours: run by its file it speaks over
standard input and output."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, Field


class Address(BaseModel):
    """Where something is sent."""

    street: str
    city: Annotated[str, Field(pattern="^[A-Z]")]


class Parcel(BaseModel):
    weight_grams: Annotated[int, Field(gt=0)]
    to: Address


def make_server() -> MCPServer:
    """Tools that add, look up, create once under a key, and fail."""
    server = MCPServer("parcels", version="1.0")
    made: dict[str, str] = {}

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def send(parcel: Parcel, request_id: str) -> str:
        """Send a parcel."""
        return made.setdefault(request_id, f"parcel {len(made) + 1} to {parcel.to.city}")

    @server.tool()
    def find(request_id: str) -> str:
        """What was sent under a number."""
        return made.get(request_id, "no such parcel")

    @server.tool()
    def near(
        city: Annotated[str, Field(json_schema_extra={"x-mcp-header": "City"})],
        express: Annotated[bool, Field(json_schema_extra={"x-mcp-header": "Express"})] = False,
    ) -> str:
        """The depot near a city; routers read both as headers."""
        return f"the depot near {city}{', express' if express else ''}"

    @server.tool()
    def refuse() -> CallToolResult:
        """Says that it failed."""
        told = TextContent(type="text", text="the depot is closed")
        return CallToolResult(content=[told], is_error=True)

    @server.tool()
    def surroundings() -> dict[str, Any]:
        """What the process was started with."""
        return {"environment": dict(os.environ), "folder": str(Path.cwd()), "pid": os.getpid()}

    return server


if __name__ == "__main__":
    print("a word of greeting", file=sys.stderr, flush=True)
    make_server().run("stdio")
