"""What the doors share that take a bearer key and answer errors as the OpenAI wire does."""

from starlette.types import Scope

from secondbasket.errors import BasketError
from secondbasket.server.asgi import bearer
from secondbasket.server.wire_route import WireRoute
from secondbasket.wires.openai.errors import encode_error
from secondbasket.wires.sse import encode_event


class BearerRoute(WireRoute):
    """One route of such a door."""

    def presented(self, scope: Scope) -> str | None:
        return bearer(scope)

    def encode_error(self, error: BasketError) -> bytes:
        return encode_error(error)

    def encode_failed_stream(self, body: bytes) -> bytes:
        return encode_event(body)
