"""The routes of this door: a bearer key, and the OpenAI wire's errors."""

from starlette.types import Receive, Scope, Send

from secondbasket.errors import BasketError, NotFound
from secondbasket.server.asgi import bearer, reply
from secondbasket.server.openai.ports import OpenAIPorts
from secondbasket.server.wire_route import Exchange, WireRoute
from secondbasket.wires.openai.errors import encode_error
from secondbasket.wires.sse import encode_event

__all__ = ["Exchange", "NotServed", "OpenAIRoute"]


class OpenAIRoute(WireRoute):
    """One route of the OpenAI wire."""

    def __init__(self, ports: OpenAIPorts) -> None:
        super().__init__(ports)
        self.ports = ports

    def presented(self, scope: Scope) -> str | None:
        return bearer(scope)

    def encode_error(self, error: BasketError) -> bytes:
        return encode_error(error)

    def encode_failed_stream(self, body: bytes) -> bytes:
        return encode_event(body)


class NotServed:
    """What answers where no route does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = NotFound(
            f"Nothing is served at {scope['path'][:100]}.",
            hint="The API is under /v1, the console under /console.",
        )
        await reply(send, error.status, encode_error(error))
