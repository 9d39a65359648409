"""JSON-RPC 2.0 as this protocol uses it: one object a message, never a batch."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from secondbasket.errors import InvalidRequest

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022

NOT_CARRIED_OUT = frozenset(
    (
        *(PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS),
        *(HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION),
    )
)
"""Errors by which the other end says that it did not begin with what it was asked."""


class RpcFailure(InvalidRequest):
    """What was sent is no message, or cannot be answered: `rpc_code` is the wire's number."""

    def __init__(self, message: str, *, rpc_code: int, data: Any = UNSET, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.rpc_code = rpc_code
        self.data = data


class RpcError(msgspec.Struct, frozen=True, kw_only=True):
    """The error of an answer."""

    code: int
    message: str = ""
    data: Any = UNSET


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A request (`id` and `method`), a notification (`method`), or an answer (`id` and the rest).

    An answer's `id` is None where the other end could not read the request's.
    """

    jsonrpc: Literal["2.0"]
    id: int | str | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    params: dict[str, Any] | UnsetType = UNSET
    result: dict[str, Any] | UnsetType = UNSET
    error: RpcError | UnsetType = UNSET

    @property
    def answers(self) -> bool:
        """Whether it is an answer."""
        return self.method is UNSET


_decoder = msgspec.json.Decoder(Message)


def decode(data: bytes) -> Message:
    """The message in `data`. Raises RpcFailure; how much is read is the caller's to bound."""
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as exc:
        raise RpcFailure(
            "This is not one JSON-RPC 2.0 message.",
            hint="Send one object with 'jsonrpc': '2.0'; batches are not read.",
            rpc_code=INVALID_REQUEST,
        ) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise RpcFailure("This is not JSON.", rpc_code=PARSE_ERROR) from exc


def encode(message: Message) -> bytes:
    """`message` as one line of JSON, without the line's end."""
    return msgspec.json.encode(message)


def request(number: int, method: str, params: Mapping[str, Any]) -> Message:
    return Message(jsonrpc="2.0", id=number, method=method, params=dict(params))


def notification(method: str, params: Mapping[str, Any] | None = None) -> Message:
    return Message(jsonrpc="2.0", method=method, params=UNSET if params is None else dict(params))


def answer(to: int | str | None, result: Mapping[str, Any]) -> Message:
    return Message(jsonrpc="2.0", id=to, result=dict(result))


def failure(to: int | str | None, code: int, message: str, data: Any = UNSET) -> Message:
    return Message(jsonrpc="2.0", id=to, error=RpcError(code=code, message=message, data=data))
