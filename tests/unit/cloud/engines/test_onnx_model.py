"""The vectors of the real model, against known likeness and a direct computation."""

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from secondbasket.cloud.engines.onnx_model import BadTokens, EmbeddingModel, InputTooLong
from tests.conftest import Weights


@pytest.fixture(scope="module")
def model(weights: Weights) -> EmbeddingModel:
    return EmbeddingModel(
        weights=weights.embedding, tokenizer=weights.tokenizer, context_tokens=256, threads=2
    )


def test_like_meanings_are_near_and_others_far(model: EmbeddingModel) -> None:
    texts = ["A man is playing a guitar.", "Someone plays the guitar.", "Taxes are due in May."]
    first, paraphrase, other = model.vectors(model.tokens(texts))
    assert first @ paraphrase > 0.8
    assert first @ other < 0.2
    assert np.linalg.norm(first) == pytest.approx(1.0, abs=1e-5)


def test_vectors_are_those_of_a_direct_computation(model: EmbeddingModel, weights: Weights) -> None:
    text = "The quick brown fox jumps over the lazy dog."
    tokenizer = Tokenizer.from_file(str(weights.tokenizer))
    tokenizer.no_padding()
    ids = tokenizer.encode(text).ids
    session = onnxruntime.InferenceSession(
        str(weights.embedding), providers=["CPUExecutionProvider"]
    )
    ones = np.ones((1, len(ids)), np.int64)
    hidden = session.run(
        ["last_hidden_state"],
        {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": ones,
            "token_type_ids": np.zeros_like(ones),
        },
    )[0]
    mean = hidden[0].mean(axis=0)
    assert model.tokens([text]) == [ids]
    np.testing.assert_allclose(
        model.vectors([ids])[0], mean / np.linalg.norm(mean), rtol=1e-4, atol=1e-6
    )


def test_neighbours_and_order_do_not_change_a_vector(model: EmbeddingModel) -> None:
    texts = [f"{'a long story about ' * (number % 40)}number {number}" for number in range(60)]
    together = model.vectors(model.tokens(texts))
    alone = np.vstack([model.vectors(model.tokens([text])) for text in texts])
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-5)


def test_tokens_are_counted_with_the_special_ones_and_never_cut(model: EmbeddingModel) -> None:
    assert [len(ids) for ids in model.tokens(["word", "word " * 254])] == [3, 256]
    with pytest.raises(InputTooLong) as told:
        model.tokens(["short", "word " * 255])
    assert (told.value.tokens, told.value.limit) == (257, 256)


def test_token_ids_are_taken_as_they_are(model: EmbeddingModel) -> None:
    ids = model.tokens(["hello world"])[0]
    np.testing.assert_array_equal(model.vectors(model.tokens([ids])), model.vectors([ids]))


@pytest.mark.parametrize("ids", [[], [-1], [30_522], [10**30]])
def test_ids_outside_the_vocabulary_are_refused(model: EmbeddingModel, ids: list[int]) -> None:
    with pytest.raises(BadTokens):
        model.tokens([ids])


def test_a_context_beyond_the_graph_fails_at_once(weights: Weights) -> None:
    with pytest.raises(Exception, match="512 by 513"):
        EmbeddingModel(
            weights=weights.embedding, tokenizer=weights.tokenizer, context_tokens=513, threads=1
        )
