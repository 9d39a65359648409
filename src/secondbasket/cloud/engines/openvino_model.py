"""A GGUF model in OpenVINO: its tokens, its template, its steps. Nothing of any wire.

The library's maker wants to hear from it: importing openvino's conversion tool
sends an event to a measuring service. Both the tool and the sender are barred
here before anything of openvino is imported, whether they are installed or not.
"""

import importlib
import re
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from secondbasket.cloud.engines.chat_template import ChatTemplate
from secondbasket.cloud.engines.gguf_known import NotKnown, require_known
from secondbasket.cloud.engines.openvino_wire import Refused, Sampling

_BLOCK_TOKENS = 32  # one block of the key-value cache on a CPU
# The tokenizer made from a GGUF silently forgets the beginning of a longer text. A token of it is
# at least one byte, so that a piece of so many bytes never is one.
_PIECE_BYTES = 8192
# Where a text can be cut without changing its tokens: between a word's end and the space before
# the next, and behind a lone line end.
_SEAM = re.compile(r"(?<=\S)(?= \w)|(?<=\S\n)(?=\S)")
# Tokens that end a turn in one model family or another, besides the one the file names.
_ENDS = frozenset({"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>"})
_CONTROL = re.compile(rb"<\|.*\|>|</?s>|<unk>|<pad>", re.DOTALL)

# Tokens that one step may read. A step blocks everything else in the process, health checks
# included, so it gets shorter the larger the model is.
_STEP_TOKENS = 256
_STEP_WEIGHTS = 500_000_000

# What llama.cpp's server does where the caller does not say.
_TEMPERATURE, _TOP_K, _TOP_P, _MIN_P = 0.8, 40, 0.95, 0.05
_COLD = 1e-6


class CannotLoad(Exception):
    """The text says why the model cannot be run by this engine."""


class Model:
    """`context_tokens` are those of each slot; `caches` keeps the beginnings of finished calls.

    Raises CannotLoad. `render` and `tokens` are what a prompt goes through;
    `begin` hands it to the library, which writes one token of every
    answer under way with each `step`.
    """

    def __init__(
        self, *, weights: Path, context_tokens: int, slots: int, threads: int, caches: bool
    ) -> None:
        self.context_tokens = context_tokens
        try:
            require_known(weights)
        except NotKnown as exc:
            raise CannotLoad(str(exc)) from exc
        self._library = _quiet_library()
        scheduler = self._library.SchedulerConfig()
        scheduler.num_kv_blocks = slots * (-(-context_tokens // _BLOCK_TOKENS) + 1)
        scheduler.max_num_seqs = slots
        share = _STEP_WEIGHTS / max(_STEP_WEIGHTS, weights.stat().st_size)
        scheduler.max_num_batched_tokens = max(_BLOCK_TOKENS, int(_STEP_TOKENS * share))
        scheduler.dynamic_split_fuse = True
        scheduler.enable_prefix_caching = caches
        try:
            self._pipeline = self._load(weights, scheduler, threads)
            self._tokenizer = self._pipeline.get_tokenizer()
            self._read_vocabulary()
        # pybind11 knows no better class for whatever C++ threw.
        except RuntimeError as exc:
            raise CannotLoad(_last_words(exc)) from exc
        source = self._tokenizer.get_original_chat_template()
        if not source:
            raise CannotLoad("the file carries no chat template")
        self._template = ChatTemplate(
            source, bos=self._tokenizer.get_bos_token(), eos=self._tokenizer.get_eos_token()
        )
        self.render = self._template.prompt
        self._requests = 0
        self._warm_up()

    def _load(self, weights: Path, scheduler: Any, threads: int) -> Any:
        # A file is known for a GGUF by its name alone, and ours is named by its digest.
        with tempfile.TemporaryDirectory(prefix="secondbasket-") as folder:
            named = Path(folder) / "model.gguf"
            named.symlink_to(weights.absolute())
            return self._library.ContinuousBatchingPipeline(
                named,
                scheduler,
                "CPU",
                {"INFERENCE_NUM_THREADS": threads, "sampler_num_threads": 1},
            )

    def _read_vocabulary(self) -> None:
        """The bytes of every token: none for those that steer, such as the end of a turn."""
        vocabulary: dict[bytes, int] = self._tokenizer.get_vocab()
        self._pieces = [b""] * (max(vocabulary.values()) + 1)
        for piece, token in vocabulary.items():
            self._pieces[token] = piece
        every = [[token] for token in range(len(self._pieces))]
        shown = self._tokenizer.decode(every, skip_special_tokens=True)
        written = self._tokenizer.decode(every, skip_special_tokens=False)
        self._ends = {self._tokenizer.get_eos_token_id()}
        for token, piece in enumerate(self._pieces):
            if shown[token] != written[token] and _CONTROL.fullmatch(piece):
                self._pieces[token] = b""
                if piece.decode(errors="replace") in _ENDS:
                    self._ends.add(token)

    def _warm_up(self) -> None:
        """The first step allocates what all later ones use."""
        handle = self.begin([next(iter(self._ends))], self._config(max_new_tokens=2))
        while self.busy():
            self.step()
        del handle

    def piece(self, token: int) -> bytes:
        """What a token adds to the answer's text, as UTF-8 in the making."""
        return self._pieces[token]

    def tokens(self, text: str) -> list[int]:
        """The whole of `text` as token ids, special tokens in it read as such."""
        tokens: list[int] = []
        for part in _parts(text):
            encoded = self._tokenizer.encode(part, add_special_tokens=False).input_ids
            tokens += encoded.data.reshape(-1).tolist()
        return tokens

    def require_known(self, tokens: Sequence[int]) -> None:
        """Raises Refused unless all of `tokens` are in the vocabulary."""
        if any(not 0 <= token < len(self._pieces) for token in tokens):
            raise Refused("Prompt contains invalid tokens")

    def config(
        self, asked: Sampling, *, room: int, logprobs: bool = False, schema: str | None = None
    ) -> Any:
        """What the library is to do, at most `room` tokens of it. Raises Refused."""
        temperature = _TEMPERATURE if asked.temperature is None else asked.temperature
        top_k = _TOP_K if asked.top_k is None else asked.top_k
        top_p = _TOP_P if asked.top_p is None else asked.top_p
        min_p = _MIN_P if asked.min_p is None else asked.min_p
        given: dict[str, Any] = {
            "max_new_tokens": room if asked.max_tokens is None else min(room, asked.max_tokens),
            "logprobs": int(logprobs),
            "ignore_eos": bool(asked.ignore_eos),
            "presence_penalty": asked.presence_penalty or 0.0,
            "frequency_penalty": asked.frequency_penalty or 0.0,
            "repetition_penalty": 1.0 if asked.repeat_penalty is None else asked.repeat_penalty,
        }
        if temperature > _COLD and top_p > 0 and min_p < 1 and top_k != 1:
            seed = secrets.randbits(32) if asked.seed is None else asked.seed % 2**32
            given |= {"do_sample": True, "temperature": temperature, "rng_seed": seed}
            given |= {"top_p": min(top_p, 1.0), "min_p": max(min_p, 0.0)}
            if top_k > 0:
                given["top_k"] = top_k
        config = self._config(**given)
        if schema is not None:
            config.structured_output_config = self._library.StructuredOutputConfig(
                json_schema=schema
            )
        try:
            config.validate()
        except RuntimeError as exc:
            raise Refused(f"This engine does not sample so: {_last_words(exc)}") from exc
        return config

    def _config(self, **given: Any) -> Any:
        config = self._library.GenerationConfig(apply_chat_template=False, **given)
        config.stop_token_ids = self._ends
        return config

    def begin(self, tokens: Sequence[int], config: Any) -> Any:
        """The handle of a new answer, written from the next step on."""
        self._requests += 1
        prompt = self._tensor(np.array([tokens], np.int64))
        return self._pipeline.add_request(self._requests, prompt, config)

    def busy(self) -> bool:
        return bool(self._pipeline.has_non_finished_requests())

    def step(self) -> None:
        """Raises RuntimeError, after which nothing can be asked of the model any more."""
        self._pipeline.step()

    @property
    def _tensor(self) -> Any:
        return sys.modules["openvino"].Tensor


def _quiet_library() -> Any:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # an import of it fails
    sys.modules["openvino.tools"] = None  # type: ignore[assignment]  # likewise
    return importlib.import_module("openvino_genai")


def _parts(text: str) -> list[str]:
    """`text` in pieces of which each is tokenized whole, cut where no token can lie across."""
    parts = []
    start = 0
    while len(text) - start > _PIECE_BYTES // 4:
        window = text[start : start + _PIECE_BYTES // 4]
        seams = [seam.start() for seam in _SEAM.finditer(window) if seam.start()]
        start += seams[-1] if seams else len(window)
        parts.append(window[: seams[-1]] if seams else window)
    return [*parts, text[start:]]


def _last_words(exc: Exception) -> str:
    """The library's message without the places in its source that it begins with."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[-1] if lines else type(exc).__name__
