"""The routes of this door: our keys in either header of this wire, and its errors."""

from starlette.types import Scope

from secondbasket.errors import AuthenticationFailed, BasketError
from secondbasket.server.anthropic.ports import AnthropicPorts
from secondbasket.server.asgi import bearer, header
from secondbasket.server.wire_route import WireRoute
from secondbasket.wires.anthropic.door_answer import encode_error_event
from secondbasket.wires.anthropic.errors import encode_error


class AnthropicRoute(WireRoute):
    """One route of the Messages wire.

    A key is the same key, with the same rights, whichever header it comes in.
    """

    def __init__(self, ports: AnthropicPorts) -> None:
        super().__init__(ports)
        self.ports = ports

    def presented(self, scope: Scope) -> str | None:
        """SDKs send `x-api-key`, those of late 2026 a bearer token."""
        given = header(scope, b"x-api-key")
        token = bearer(scope)
        if given and token and given != token:
            # Nobody is to wonder with whose rights the call was made.
            raise AuthenticationFailed(
                "Two different API keys were given.",
                hint="Send one, in 'x-api-key' or in 'Authorization: Bearer'.",
            )
        return given or token

    def encode_error(self, error: BasketError) -> bytes:
        return encode_error(error)

    def encode_failed_stream(self, body: bytes) -> bytes:
        return encode_error_event(body)
