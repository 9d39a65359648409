"""The routes of this door: a bearer key, and the OpenAI wire's errors."""

from starlette.types import Receive, Scope, Send

from secondbasket.errors import NotFound
from secondbasket.server.asgi import reply
from secondbasket.server.bearer_route import BearerRoute
from secondbasket.server.openai.ports import OpenAIPorts
from secondbasket.server.wire_route import Exchange
from secondbasket.wires.openai.errors import encode_error

__all__ = ["Exchange", "NotServed", "OpenAIRoute"]


class OpenAIRoute(BearerRoute):
    """One route of the OpenAI wire."""

    def __init__(self, ports: OpenAIPorts) -> None:
        super().__init__(ports)
        self.ports = ports


class NotServed:
    """What answers where no route does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = NotFound(
            f"Nothing is served at {scope['path'][:100]}.",
            hint="The API is under /v1, the console under /console.",
        )
        await reply(send, error.status, encode_error(error))
