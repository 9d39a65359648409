"""What of one streamed answer was handed on already, as far as its continuation must know it."""

from secondbasket.core.chat import ChatRequest, Chunk, CompletionRequest
from secondbasket.core.rules import Continuation


class Delivered:
    """Text of one choice can be gone on with; anything else that was handed on cannot."""

    def __init__(self, request: ChatRequest | CompletionRequest) -> None:
        self.anything = False
        self._parts: list[str] = []
        self._only_text = isinstance(request, ChatRequest) and _is_free_text(request)

    def add(self, chunk: Chunk) -> None:
        for choice in chunk.choices:
            if choice.text:
                self.anything = True
                self._parts.append(choice.text)
            if choice.tool_calls or choice.reasoning or choice.refusal or choice.logprobs:
                self.anything = True
                self._only_text = False

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def way_on(self, rules: Continuation, *, prefill: bool) -> Continuation:
        """How an upstream that has `prefill` or not may go on with it; 'none' where it may not."""
        if not self._only_text or rules == "none":
            return "none"
        if prefill:
            return "prefill"
        return "replay" if rules == "replay" else "none"


def _is_free_text(request: ChatRequest) -> bool:
    """One choice, of a form that no schema binds, and no log-probabilities to go with it."""
    form = request.response_format
    choice = request.tool_choice
    return (
        request.sampling.n == 1
        and (form is None or form.kind == "text")
        and (choice is None or choice.mode in ("auto", "none"))
        and not request.sampling.logprobs
    )
