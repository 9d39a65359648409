"""What servers say of their tools and of a call: the parts that we read."""

from typing import Any

import msgspec


class ListedTool(msgspec.Struct, frozen=True, rename="camel"):
    """A tool as its server tells of it: every word of it is the server's."""

    name: str
    description: str | None = None
    input_schema: dict[str, Any] = {}


class ToolPage(msgspec.Struct, frozen=True, rename="camel"):
    """One page of a server's list. What is not a tool is left to whoever reads `tools`."""

    tools: list[dict[str, Any]] = []
    next_cursor: str | None = None


class CallResult(msgspec.Struct, frozen=True, rename="camel"):
    """What a call came to. `result_type` is 'input_required' where the server asks back."""

    content: list[dict[str, Any]] = []
    structured_content: Any = None
    is_error: bool = False
    result_type: str = "complete"
