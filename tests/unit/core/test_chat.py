"""A stream folded into the answer it is the stream of, however many pieces it comes in."""

import time

import pytest

from secondbasket.core.chat import ChoiceDelta, Chunk, Fold, ToolCallDelta

PIECES = 50_000


@pytest.mark.parametrize(
    "delta",
    [
        ChoiceDelta(text="0123456789"),
        ChoiceDelta(reasoning="0123456789"),
        ChoiceDelta(refusal="0123456789"),
        ChoiceDelta(tool_calls=(ToolCallDelta(0, arguments="0123456789"),)),
        ChoiceDelta(logprobs={"content": [{"token": "a", "logprob": -0.1}]}),
    ],
    ids=["text", "reasoning", "refusal", "tool call", "logprobs"],
)
def test_many_pieces_cost_no_more_than_each_of_them(delta: ChoiceDelta) -> None:
    """A provider sends what it likes: each piece copied again would hold everybody up."""
    fold = Fold()
    began = time.process_time()
    for _ in range(PIECES):
        fold.add(Chunk((delta,)))
    (choice,) = fold.choices()
    assert time.process_time() - began < 1.0
    text = "0123456789" * PIECES
    assert choice.text == (text if delta.text else "")
    assert choice.reasoning == (text if delta.reasoning else "")
    assert choice.refusal == (text if delta.refusal else None)
    assert [call.arguments for call in choice.tool_calls] == ([text] if delta.tool_calls else [])
    assert len((choice.logprobs or {"content": []})["content"]) == (PIECES if delta.logprobs else 0)


def test_log_probabilities_of_the_chunks_stay_theirs() -> None:
    first = Chunk((ChoiceDelta(logprobs={"content": [1]}),))
    fold = Fold()
    fold.add(first)
    fold.add(Chunk((ChoiceDelta(logprobs={"content": [2]}),)))
    assert fold.choices()[0].logprobs == {"content": [1, 2]}
    assert first.choices[0].logprobs == {"content": [1]}
