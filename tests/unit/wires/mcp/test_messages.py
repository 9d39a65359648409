"""Messages and headers, against the protocol's own types."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import (
    decode_header_value,
    encode_header_value,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp_types import jsonrpc_message_adapter
from mcp_types import version as published

from secondbasket.wires.mcp import messages, versions


def test_the_revisions_are_those_that_are_published() -> None:
    assert versions.HANDSHAKES == published.HANDSHAKE_PROTOCOL_VERSIONS
    assert (versions.ENVELOPE,) == published.MODERN_PROTOCOL_VERSIONS


@pytest.mark.parametrize(
    "message",
    [
        messages.request(1, "tools/list", {"cursor": "x"}),
        messages.notification("notifications/initialized"),
        messages.answer("a", {"tools": []}),
        messages.failure(None, -32600, "no"),
        messages.failure(3, -32022, "no", {"supported": []}),
    ],
)
def test_what_we_send_is_what_the_protocol_knows(message: messages.Message) -> None:
    data = messages.encode(message)
    parsed = jsonrpc_message_adapter.validate_json(data)
    assert parsed.model_dump(exclude_unset=True, by_alias=True) == msgspec.json.decode(data)
    assert messages.decode(data) == message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", messages.PARSE_ERROR),
        (b"{", messages.PARSE_ERROR),
        (b"\xff", messages.PARSE_ERROR),
        (b'{"jsonrpc":"2.0","params":{"a":' + b"[" * 100_000, messages.PARSE_ERROR),
        (b"[]", messages.INVALID_REQUEST),
        (b'{"id":1,"method":"x"}', messages.INVALID_REQUEST),
        (b'{"jsonrpc":"1.0","id":1,"method":"x"}', messages.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"x"}', messages.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":[]}', messages.INVALID_REQUEST),
    ],
)
def test_what_is_no_message(data: bytes, code: int) -> None:
    with pytest.raises(messages.RpcFailure) as told:
        messages.decode(data)
    assert told.value.rpc_code == code


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_header_values_are_the_protocols(value: str) -> None:
    encoded = versions.encode_header(value)
    assert encoded == encode_header_value(value)
    assert versions.decode_header(encoded) == decode_header_value(encoded) == value


def test_headers_of_arguments_are_the_protocols() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "inner": {
                "type": "object",
                "properties": {"on": {"type": "boolean", "x-mcp-header": "On"}},
            },
            "other": {"type": "string"},
            "absent": {"type": "integer", "x-mcp-header": "Absent"},
        },
    }
    arguments = {"region": "Österreich", "inner": {"on": True}, "other": "x"}
    expected = mcp_param_headers(x_mcp_header_map(schema), arguments)
    assert versions.parameter_headers(schema, arguments) == expected
    assert set(expected) == {"Mcp-Param-Region", "Mcp-Param-On"}


def test_no_schema_chooses_another_header() -> None:
    schema = {"properties": {"a": {"x-mcp-header": "X\r\nAuthorization"}, "b": {"x-mcp-header": 7}}}
    assert versions.parameter_headers(schema, {"a": "x", "b": "y"}) == {}
