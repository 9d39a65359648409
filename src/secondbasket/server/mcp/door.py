"""POST /mcp: streamable HTTP without sessions, one message in and one JSON answer out.

Nothing is kept between requests, so a client may be in the middle of any
revision: the header says which, and none means the oldest that had it.
"""

from collections.abc import Mapping
from typing import Any

from starlette.types import Scope

from secondbasket.core.key import Key
from secondbasket.errors import BasketError, PermissionDenied
from secondbasket.server.asgi import JSON, bearer, header, read_body, reply
from secondbasket.server.mcp.methods import Methods
from secondbasket.server.mcp.ports import McpPorts
from secondbasket.server.wire_route import Exchange, WireRoute
from secondbasket.wires.mcp import versions
from secondbasket.wires.mcp.messages import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    UNSUPPORTED_VERSION,
    Message,
    RpcFailure,
    answer,
    decode,
    encode,
    failure,
)

_OK = 200
_NOT_FOUND = 404
_BAD_REQUEST = 400


class McpRoute(WireRoute):
    """The one route of this door."""

    def __init__(self, ports: McpPorts) -> None:
        super().__init__(ports)
        self._ports = ports
        self._methods = Methods(ports.desk, ports.refused)

    async def answer(self, key: Key, exchange: Exchange) -> None:
        scope = exchange.scope
        _same_origin(scope)
        body = await read_body(scope, exchange.receive, limit=self._ports.max_body_bytes)
        message = decode(body)
        if not isinstance(message.method, str):
            raise RpcFailure("An answer was sent, and nothing was asked.", rpc_code=INVALID_REQUEST)
        if not isinstance(message.id, int | str):
            if message.id is None:
                raise RpcFailure("The id of a request is not null.", rpc_code=INVALID_REQUEST)
            await reply(exchange.send, 202, b"", ())
            return
        modern = _version(scope, message.method) == versions.ENVELOPE
        try:
            result = await self._result(key, scope, message, modern=modern)
        except RpcFailure as error:
            self._ports.refused(error.code)
            told = failure(message.id, error.rpc_code, str(error), error.data)
            await reply(exchange.send, _status(error, modern=modern), encode(told))
            return
        await reply(exchange.send, 200, encode(answer(message.id, result)), [JSON])

    def presented(self, scope: Scope) -> str | None:
        return bearer(scope)

    def encode_error(self, error: BasketError) -> bytes:
        code, data = INTERNAL_ERROR, {"code": error.code}
        if isinstance(error, RpcFailure):
            return encode(failure(None, error.rpc_code, str(error), error.data))
        if error.status < 500:
            code = INVALID_REQUEST
        return encode(failure(None, code, str(error), data))

    def encode_failed_stream(self, body: bytes) -> bytes:
        return body  # no answer of this door is a stream

    async def _result(
        self, key: Key, scope: Scope, message: Message, *, modern: bool
    ) -> Mapping[str, Any]:
        method = str(message.method)
        params = message.params if isinstance(message.params, dict) else {}
        if modern:
            _check_envelope(scope, method, params)
            return await self._methods.envelope_result(key, method, params)
        return await self._methods.handshake_result(key, method, params)


def _version(scope: Scope, method: str) -> str:
    """The revision of the request. Raises RpcFailure for one that is not spoken here."""
    given = _headers(scope, versions.VERSION_HEADER)
    if len(given) > 1:
        raise RpcFailure("The revision is given twice.", rpc_code=HEADER_MISMATCH)
    version = given[0] if given else versions.HANDSHAKES[1]
    if method == "initialize" and version != versions.ENVELOPE:
        return versions.NEWEST_HANDSHAKE  # the handshake itself says what is spoken
    if version not in (*versions.HANDSHAKES, versions.ENVELOPE):
        raise RpcFailure(
            "This revision of the protocol is not spoken here.",
            rpc_code=UNSUPPORTED_VERSION,
            data={
                "supported": [*versions.HANDSHAKES, versions.ENVELOPE],
                "requested": version[:40],
            },
        )
    return version


def _check_envelope(scope: Scope, method: str, params: Mapping[str, Any]) -> None:
    """What a request says of itself must be what its headers say: others route by those."""
    meta = params.get("_meta")
    told = meta.get(versions.CAPABILITIES_KEY) if isinstance(meta, Mapping) else None
    if not isinstance(meta, Mapping) or not isinstance(told, Mapping):
        raise RpcFailure(
            f"params._meta needs {versions.VERSION_KEY!r} and {versions.CAPABILITIES_KEY!r}.",
            rpc_code=INVALID_PARAMS,
        )
    said: dict[str, object] = {
        versions.VERSION_HEADER: meta.get(versions.VERSION_KEY),
        versions.METHOD_HEADER: method,
    }
    if method == "tools/call":
        said[versions.NAME_HEADER] = params.get("name")
    for name, value in said.items():
        given = _headers(scope, name)
        if len(given) != 1 or versions.decode_header(given[0]) != value:
            raise RpcFailure(
                f"The header {name} does not say what the request does.", rpc_code=HEADER_MISMATCH
            )


def _same_origin(scope: Scope) -> None:
    """A page of another site may be open in the browser of somebody who may be here."""
    origin = header(scope, b"origin")
    if origin is None:
        return
    host = header(scope, b"host") or ""
    if origin.partition("://")[2].lower() != host.lower():
        raise PermissionDenied("Pages of other sites are not served here.")


def _headers(scope: Scope, name: str) -> list[str]:
    wanted = name.encode()
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == wanted]


def _status(error: RpcFailure, *, modern: bool) -> int:
    if not modern:
        return _OK
    return _NOT_FOUND if error.rpc_code == METHOD_NOT_FOUND else _BAD_REQUEST
