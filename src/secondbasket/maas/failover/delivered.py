"""What of one streamed answer was handed on already, as far as its continuation must know it."""

from secondbasket.core.chat import ChatRequest, Chunk, CompletionRequest
from secondbasket.core.rules import Continuation


class Delivered:
    """Text of one choice can be gone on with; anything else that was handed on cannot."""

    def __init__(self, request: ChatRequest | CompletionRequest) -> None:
        self.anything = False
        self._parts: list[str] = []
        self._raw = isinstance(request, CompletionRequest)
        self._only_text = (
            _is_one_text(request)
            if isinstance(request, CompletionRequest)
            else _is_free_text(request)
        )

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
        """How an upstream that has `prefill` or not may go on with it; 'none' where it may not.

        A text completion truly goes on from any text, whoever writes it.
        """
        if not self._only_text or rules == "none":
            return "none"
        if prefill or self._raw:
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


def _is_one_text(request: CompletionRequest) -> bool:
    """One answer to one prompt of text that is not sent back, and no log-probabilities."""
    return (
        request.sampling.n == 1
        and len(request.prompts) == 1
        and isinstance(request.prompts[0], str)
        and not request.echo
        and not request.sampling.logprobs
    )
