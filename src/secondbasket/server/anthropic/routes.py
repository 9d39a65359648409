"""The routes of the Messages door."""

from starlette.routing import BaseRoute, Route

from secondbasket.server.anthropic.messages import Messages
from secondbasket.server.anthropic.ports import AnthropicPorts


def anthropic_routes(ports: AnthropicPorts) -> list[BaseRoute]:
    """Every route checks its caller itself; none relies on a check of the path before it."""
    return [Route("/v1/messages", Messages(ports))]
