"""What a request asks of whoever answers it: how much at most, at what cost, and whether it can."""

import msgspec

from secondbasket.core.chat import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    MediaPart,
)
from secondbasket.core.model import ModelTask
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.usage import Usage
from secondbasket.errors import BasketError, InvalidRequest
from secondbasket.maas.prices import most_usage

Request = ChatRequest | CompletionRequest | EmbeddingRequest

_MOST_CHOICES = 128
_MODALITY = {"image_url": "image", "input_audio": "audio", "file": "file"}


class Demand(msgspec.Struct, frozen=True):
    """What bounds the cost of `request`, wherever it is answered.

    `text_bytes` bounds the tokens that it holds, what a template adds left out.
    """

    request: Request
    task: ModelTask
    text_bytes: int
    prompts: int
    messages: int
    answers: int
    max_tokens: int | None = None

    def most(self, facts: UpstreamFacts) -> Usage:
        """The most tokens it can use at an upstream. Raises InvalidRequest where nothing bounds
        them."""
        return most_usage(
            text_bytes=self.text_bytes,
            prompts=self.prompts,
            messages=self.messages,
            answers=self.answers,
            max_tokens=self.max_tokens,
            context_tokens=facts.context_tokens,
        )

    def unfit(self, facts: UpstreamFacts) -> BasketError | None:
        """Why an upstream cannot take it, whatever its state."""
        most = self.max_tokens
        if most is not None and facts.context_tokens and most > facts.context_tokens:
            return InvalidRequest(
                f"'max_tokens' is {most}; the context of '{self.request.model}' holds"
                f" {facts.context_tokens} tokens.",
                hint="Ask for fewer.",
                param="max_tokens",
            )
        return _unread(self.request, facts) if isinstance(self.request, ChatRequest) else None


def demand_of(request: Request) -> Demand:
    """Raises InvalidRequest for more answers than one call may have."""
    if isinstance(request, EmbeddingRequest):
        prompts = len(request.inputs)
        return Demand(request, "embedding", request.text_bytes, prompts, prompts, 0)
    sampling = request.sampling
    if isinstance(request, ChatRequest):
        messages = len(request.messages)
        return Demand(
            request, "chat", request.text_bytes, 1, messages, sampling.n, sampling.max_tokens
        )
    choices = sampling.n * len(request.prompts)
    if choices > _MOST_CHOICES:
        raise InvalidRequest(
            f"'prompt' and 'n' ask for {choices} answers; one call may have {_MOST_CHOICES}.",
            hint="Send several calls.",
            param="prompt",
        )
    return Demand(
        request, "chat", request.text_bytes, len(request.prompts), 0, choices, sampling.max_tokens
    )


def _unread(request: ChatRequest, facts: UpstreamFacts) -> InvalidRequest | None:
    """A part of a message that the upstream does not read."""
    for message in request.messages:
        if not isinstance(message.content, tuple):
            continue
        for part in message.content:
            if isinstance(part, MediaPart) and not _reads(facts, part.kind):
                read = " and ".join(facts.modalities)
                return InvalidRequest(
                    f"A message holds a part of type '{part.kind}'; '{request.model}' reads {read}"
                    " only.",
                    hint="Leave it out, or choose a model that reads it.",
                    param="messages",
                )
    return None


def _reads(facts: UpstreamFacts, kind: str) -> bool:
    return _MODALITY.get(kind, kind) in facts.modalities
