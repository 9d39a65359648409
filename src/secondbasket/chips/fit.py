"""Does a model fit a chip: told in bytes before anything is loaded.

The margins were measured on the two built-in engines as they are started
here, by their resident memory (MiB) at the load and after full prompts:

============================  ========  =======  =======
model, context × slots        estimate  at load   in use
============================  ========  =======  =======
SmolLM2-135M Q4_1, 512 × 2         189      169      183
SmolLM2-135M Q4_1, 2048 × 1        213      192      208
SmolLM2-135M Q4_1, 1024 × 4        257      237      255
SmolLM2-135M Q4_1, 4096 × 2        350      327      344
SmolLM2-135M Q4_1, 8192 × 4        894      867
the same in OpenVINO, 512 × 2      434      422      431
the same in OpenVINO, 4096 × 2     527      427      530
the same in OpenVINO, 4096 × 4     636      424      639
the same, its layers × 4           1277     1068     1169
MiniLM-L6 int8, 256 × 1            327      240      300
MiniLM-L6 int8, 256 × 4            546      234      509
MiniLM-L6 int8, 512 × 1            466      405      470
MiniLM-L6 int8, 512 × 4            895      405      897
============================  ========  =======  =======

llama.cpp holds nearly all of it from the load on; onnxruntime takes what its
batches need when they come, so that its estimate is that of use. OpenVINO
converts the weights and holds what it made of them; its cache fills with use.
"""

from secondbasket.core.chip import Chip, FitEstimate
from secondbasket.core.model import ModelShape, ModelTask
from secondbasket.core.ports import EngineOptions
from secondbasket.errors import ModelDoesNotFit

_MIB = 1 << 20

# llama.cpp: interpreter and library; then its vocabulary tables, for each token; then what one
# batch computes with, for each token of it: values as wide as the embedding, in float32 (SmolLM2
# takes 13 of them), and a mask over the context, in float16.
_LLAMA_RUNTIME = 40 * _MIB
_LLAMA_PER_VOCABULARY = 320
_LLAMA_BATCH = 512
_LLAMA_WIDTHS = 16
# For a header not at hand: Qwen's, larger than most.
_UNTOLD_VOCABULARY = 152_000

# OpenVINO: interpreter, libraries and door; then its tokenizer, for each token of the vocabulary;
# then the weights in the forms that it makes of a quantised file. Its cache has values of one
# byte, and twelve bytes more for each head's key and each value; a slot has a block to spare.
_OPENVINO_RUNTIME = 40 * _MIB
_OPENVINO_PER_VOCABULARY = 1400
_OPENVINO_WEIGHTS = 3.35
_OPENVINO_HEAD_EXTRA = 12
_OPENVINO_BLOCK = 32

# onnxruntime: interpreter, libraries and tokenizer; all weights once more in float32, into which
# it folds quantised ones; for each slot, and once for the longest input that is tried at the
# start, a batch of 512 tokens and the attention of every token to every other.
_ONNX_RUNTIME = 128 * _MIB
_ONNX_BATCH = 50 * _MIB
_ONNX_ATTENTION_PER_SQUARE = 93 * _MIB / 512**2


def estimate(
    *,
    shape: ModelShape,
    weights_bytes: int,
    options: EngineOptions,
    chip: Chip,
    task: ModelTask = "chat",
    engine: str = "",
) -> FitEstimate:
    """What a model of `shape` will hold on `chip`: weights, cache and margin, in bytes.

    Where `engine` does not name another, ONNX runs in onnxruntime and all else
    in llama.cpp; there an embedding model computes a whole context in one batch.
    """
    if engine == "openvino":
        return _openvino(shape, weights_bytes, options, chip)
    context, slots = options.context_tokens, options.slots
    kv_cache = shape.kv_bytes_per_token() * context * slots
    if shape.architecture == "onnx":
        margin = _onnx_margin(shape, context, slots)
    else:
        margin = _llama_margin(shape, context, _LLAMA_BATCH if task == "chat" else context)
    return FitEstimate(
        chip=chip.id,
        weights=weights_bytes,
        kv_cache=kv_cache,
        margin=margin,
        prompt_cache=options.cache_mib * _MIB if kv_cache else 0,
        free=chip.memory_free,
    )


def require_fit(
    *,
    shape: ModelShape,
    weights_bytes: int,
    options: EngineOptions,
    chip: Chip,
    task: ModelTask = "chat",
    engine: str = "",
) -> FitEstimate:
    """The estimate of a model that fits. Raises ModelDoesNotFit with the numbers."""
    fit = estimate(
        shape=shape,
        weights_bytes=weights_bytes,
        options=options,
        chip=chip,
        task=task,
        engine=engine,
    )
    if fit.fits:
        return fit
    raise ModelDoesNotFit(
        f"The model needs {_megabytes(fit.needed)} and {_megabytes(fit.free)} are free on"
        f" {chip.id}: weights {_megabytes(fit.weights)}, key-value cache"
        f" {_megabytes(fit.kv_cache)} for {options.slots} × {options.context_tokens} tokens,"
        f" prompt cache {_megabytes(fit.prompt_cache)}, engine {_megabytes(fit.margin)}.",
        hint=_what_to_change(fit, options),
    )


def _llama_margin(shape: ModelShape, context: int, batch: int) -> int:
    return (
        _LLAMA_RUNTIME
        + _LLAMA_PER_VOCABULARY * (shape.vocabulary or _UNTOLD_VOCABULARY)
        + batch * (_LLAMA_WIDTHS * 4 * shape.embedding_size + 2 * context)
    )


def _openvino(
    shape: ModelShape, weights_bytes: int, options: EngineOptions, chip: Chip
) -> FitEstimate:
    """Its prompt cache is the cache of the slots itself."""
    values = shape.kv_bytes_per_token(bytes_per_value=1)
    extra = values // max(1, shape.head_size) * _OPENVINO_HEAD_EXTRA
    tokens = options.slots * (options.context_tokens + _OPENVINO_BLOCK)
    vocabulary = shape.vocabulary or _UNTOLD_VOCABULARY
    return FitEstimate(
        chip=chip.id,
        weights=int(weights_bytes * _OPENVINO_WEIGHTS),
        kv_cache=(values + extra) * tokens,
        margin=_OPENVINO_RUNTIME + _OPENVINO_PER_VOCABULARY * vocabulary,
        free=chip.memory_free,
    )


def _onnx_margin(shape: ModelShape, context: int, slots: int) -> int:
    batch = _ONNX_BATCH + int(_ONNX_ATTENTION_PER_SQUARE * context**2)
    return _ONNX_RUNTIME + 4 * shape.parameters + (slots + 1) * batch


def _what_to_change(fit: FitEstimate, options: EngineOptions) -> str:
    """The largest context that would fit, with these slots or with one; else another model."""
    room = fit.free - (fit.needed - fit.kv_cache)
    if fit.kv_cache and room > 0:
        tokens = room * options.slots * options.context_tokens // fit.kv_cache
        for slots in dict.fromkeys((options.slots, 1)):
            if tokens // slots >= 1024:
                return (
                    f"{tokens // slots} tokens of context would fit with {slots} slot(s);"
                    " or free some memory, or choose a smaller model."
                )
    return (
        "Free some memory, lower the context, the slots or the prompt cache,"
        " or choose a smaller model or a coarser quantisation of this one."
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
