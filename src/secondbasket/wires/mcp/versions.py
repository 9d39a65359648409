"""The protocol's revisions, and what a request of the newest kind carries.

Up to 2025-11-25 a session is opened by a handshake (`initialize`). From
2026-07-28 on there are none: each request says for itself which revision it is
in, who asks and what they can do, and over HTTP repeats what routers read as
headers.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
NEWEST_HANDSHAKE = HANDSHAKES[-1]
ENVELOPE = "2026-07-28"

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
SERVER_KEY = "io.modelcontextprotocol/serverInfo"

VERSION_HEADER = "mcp-protocol-version"
METHOD_HEADER = "mcp-method"
NAME_HEADER = "mcp-name"
SESSION_HEADER = "mcp-session-id"
_PARAMETER_HEADER = "Mcp-Param-"
_PARAMETER_MARK = "x-mcp-header"

_PLAIN = re.compile(r"[\x20-\x7e]*")
_WRAPPED = re.compile(r"=\?base64\?(?P<payload>.*)\?=")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_DEEPEST = 8


def encode_header(value: str) -> str:
    """`value` as a header can carry it: as it is, or in base64 with a mark around it."""
    if _PLAIN.fullmatch(value) and value == value.strip() and not _WRAPPED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def decode_header(value: str) -> str | None:
    """What `encode_header` made of it; None where it made no such thing."""
    wrapped = _WRAPPED.fullmatch(value)
    if wrapped is None:
        return value
    try:
        return base64.b64decode(wrapped["payload"], validate=True).decode()
    except ValueError:  # of base64, or of UTF-8
        return None


def parameter_headers(schema: object, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The headers that a tool's schema wants some of its arguments repeated in.

    Every name begins with `Mcp-Param-`: no schema can choose another header.
    """
    return {
        _PARAMETER_HEADER + token: encode_header(_written(value))
        for token, value in _marked(schema, arguments, _DEEPEST)
        if isinstance(value, str | int | float)
    }


def _marked(schema: object, value: object, depth: int) -> Iterator[tuple[str, object]]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not depth or not isinstance(properties, Mapping) or not isinstance(value, Mapping):
        return
    for name, inner in properties.items():
        if not isinstance(inner, Mapping) or name not in value:
            continue
        token = inner.get(_PARAMETER_MARK)
        if isinstance(token, str) and _TOKEN.fullmatch(token):
            yield token, value[name]
        yield from _marked(inner, value[name], depth - 1)


def _written(value: str | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
