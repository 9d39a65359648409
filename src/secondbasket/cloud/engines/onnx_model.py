"""From texts to vectors: a BERT-like ONNX graph and its tokenizer, nothing of any wire."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

Vectors = NDArray[np.float32]

# Padded tokens of one run. Small batches stay in the caches: MiniLM on two cores took 0.9 s for
# texts that took 3.4 s in runs of 8192, at half the memory.
_BATCH_TOKENS = 512


class InputTooLong(Exception):
    """One input has `tokens`, special tokens included, of at most `limit`."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"input ({tokens} tokens) exceeds the available context ({limit} tokens)")
        self.tokens = tokens
        self.limit = limit


class BadTokens(Exception):
    """A token id that the model's vocabulary does not have, or no token at all."""


class EmbeddingModel:
    """Mean-pooled, L2-normalised sentence vectors, as sentence-transformers makes them.

    `context_tokens` is the longest input: longer ones are refused, never cut,
    because half a text has another meaning. The tokenizer file's own truncation
    and padding are switched off for that reason. Construction runs the longest
    input once, so a limit above what the graph can do fails here, not later.
    """

    def __init__(
        self, *, weights: Path, tokenizer: Path, context_tokens: int, threads: int
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # The arena never gives back what the largest batch once needed.
        options.enable_cpu_mem_arena = False
        # Threads that spin between batches would take the cores from the chat model.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(weights), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._output = self._session.get_outputs()[0].name
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._vocabulary = self._tokenizer.get_vocab_size()
        self.context_tokens = context_tokens
        self.dimensions = int(self._run([[0] * context_tokens]).shape[1])

    def tokens(self, inputs: Sequence[str | Sequence[int]]) -> list[list[int]]:
        """Token ids of each input. Raises InputTooLong, BadTokens.

        Texts gain the model's special tokens; ids that the caller made are taken as they are.
        """
        texts = [each for each in inputs if isinstance(each, str)]
        encoded = iter(self._tokenizer.encode_batch(texts))
        ids = [next(encoded).ids if isinstance(each, str) else list(each) for each in inputs]
        for each in ids:
            if len(each) > self.context_tokens:
                raise InputTooLong(len(each), self.context_tokens)
            if not each:
                raise BadTokens("an input has no tokens")
            if min(each) < 0 or max(each) >= self._vocabulary:
                raise BadTokens(f"token ids are 0 to {self._vocabulary - 1} for this model")
        return ids

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """One row of `dimensions` float32 per input, in order."""
        rows = np.empty((len(ids), self.dimensions), np.float32)
        for batch in _batches(ids):
            rows[batch] = self._run([ids[position] for position in batch])
        return rows

    def _run(self, ids: Sequence[Sequence[int]]) -> Vectors:
        shape = (len(ids), max(map(len, ids)))
        feed = {
            "input_ids": np.zeros(shape, np.int64),
            "attention_mask": np.zeros(shape, np.int64),
            "token_type_ids": np.zeros(shape, np.int64),
        }
        for row, each in enumerate(ids):
            feed["input_ids"][row, : len(each)] = each
            feed["attention_mask"][row, : len(each)] = 1
        hidden = self._session.run(
            [self._output], {name: feed[name] for name in self._inputs if name in feed}
        )[0]
        mask = feed["attention_mask"].astype(np.float32)
        pooled = np.einsum("bsd,bs->bd", hidden, mask) / mask.sum(axis=1, keepdims=True)
        normalised: Vectors = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return normalised


def _batches(ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Positions in `ids`, inputs of like length together so that little is padded."""
    batch: list[int] = []
    for position in sorted(range(len(ids)), key=lambda position: len(ids[position])):
        if batch and (len(batch) + 1) * len(ids[position]) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
