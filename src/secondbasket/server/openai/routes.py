"""The routes of the OpenAI door."""

from starlette.routing import BaseRoute, Route

from secondbasket.server.openai.embeddings import Embeddings
from secondbasket.server.openai.generate import ChatCompletions, Completions
from secondbasket.server.openai.models import Model, Models
from secondbasket.server.openai.ports import OpenAIPorts
from secondbasket.server.openai.receipts import Receipts


def openai_routes(ports: OpenAIPorts) -> list[BaseRoute]:
    """Every route checks its caller itself; none relies on a check of the path before it."""
    return [
        Route("/v1/chat/completions", ChatCompletions(ports)),
        Route("/v1/completions", Completions(ports)),
        Route("/v1/embeddings", Embeddings(ports)),
        Route("/v1/models", Models(ports)),
        Route("/v1/models/{model:path}", Model(ports)),
        Route("/v1/receipts/{request_id}", Receipts(ports)),
    ]
