"""Embedding answers of the OpenAI wire: every input's own vector, or none of them."""

import json
from typing import Any

import pytest

from secondbasket.core.usage import Usage
from secondbasket.errors import UpstreamBroken
from secondbasket.wires.openai.embeddings import decode_embedding_answer


def body(*indexes: int, **more: Any) -> bytes:
    data = [{"index": index, "embedding": [float(index), 0.5]} for index in indexes]
    return json.dumps({"data": data} | more).encode()


def test_vectors_come_in_the_order_of_their_inputs() -> None:
    answer = decode_embedding_answer(body(1, 0, usage={"prompt_tokens": 3}), inputs=2)
    assert answer.vectors == ((0.0, 0.5), (1.0, 0.5))
    assert (answer.usage, answer.counted) == (Usage(3), True)


def test_an_answer_that_counts_nothing_says_so() -> None:
    answer = decode_embedding_answer(body(0), inputs=1)
    assert (answer.usage, answer.counted) == (Usage(), False)


@pytest.mark.parametrize("indexes", [(0,), (0, 0), (1, 2), (0, 1, 2), ()])
def test_a_vector_of_no_input_or_of_one_twice_is_a_broken_answer(indexes: tuple[int, ...]) -> None:
    with pytest.raises(UpstreamBroken):
        decode_embedding_answer(body(*indexes), inputs=2)
