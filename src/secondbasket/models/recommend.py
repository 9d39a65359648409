"""Which models of the catalogue this machine can run, and how fast they would write."""

from collections.abc import Iterable, Sequence
from math import isqrt

import msgspec

from secondbasket.chips.fit import estimate
from secondbasket.core.chip import Chip, FitEstimate
from secondbasket.core.model import ModelShape, ModelTask
from secondbasket.core.ports import EngineOptions
from secondbasket.models.catalogue import CatalogueEntry

# Writing a token reads every active weight once, so that memory bandwidth is the ceiling.
# llama.cpp's AVX2 build reached 0.28 of it with SmolLM2 on two cores.
_EFFICIENCY = 0.3
# People read four to five words a second; slower than this, they wait.
_READING_SPEED = 6.0
# Of a model whose layers the catalogue does not tell.
_USUAL_LAYERS = 24


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the catalogue judged for one chip; memory in bytes.

    `tokens_per_second` is what one stream would write at short context: None
    for a model that embeds, and where the chip's bandwidth was not measured.
    """

    name: str
    task: ModelTask
    licence: str
    chip: str
    fits: bool
    needed: int
    free: int
    tokens_per_second: float | None
    command: str


def recommend(
    entries: Iterable[CatalogueEntry], chips: Sequence[Chip], options: EngineOptions
) -> list[Recommendation]:
    """All `entries`, each on the chip that suits it best; the best model first.

    Best are those that fit and write as fast as people read, the larger before
    the smaller; then those that embed; then those that write slower, the faster
    first; then those that do not fit, by what they need. The context of
    `options` is lowered to what a model can. Needs at least one chip.
    """
    judged = [(_judge(entry, chips, options), entry.parameters) for entry in entries]
    judged.sort(key=lambda pair: _rank(*pair))
    return [recommendation for recommendation, _ in judged]


def _rank(judged: Recommendation, parameters: int) -> tuple[int, float]:
    speed = judged.tokens_per_second
    if not judged.fits:
        return 3, judged.needed
    if speed is not None and speed < _READING_SPEED:
        return 2, -speed
    return (0 if judged.task == "chat" else 1), -parameters


def _judge(entry: CatalogueEntry, chips: Sequence[Chip], options: EngineOptions) -> Recommendation:
    fits = [(_estimate(entry, chip, options), chip) for chip in chips]
    fit, chip = max(fits, key=lambda pair: (pair[0].fits, pair[1].read_bandwidth or 0))
    return Recommendation(
        name=entry.name,
        task=entry.task,
        licence=entry.licence,
        chip=chip.id,
        fits=fit.fits,
        needed=fit.needed,
        free=fit.free,
        tokens_per_second=_speed(entry, chip),
        command=f"basket model pull {entry.name}",
    )


def _estimate(entry: CatalogueEntry, chip: Chip, options: EngineOptions) -> FitEstimate:
    context = min(options.context_tokens, entry.context_tokens)
    return estimate(
        shape=_shape(entry),
        weights_bytes=entry.size,
        options=msgspec.structs.replace(options, context_tokens=context),
        chip=chip,
        task=entry.task,
    )


def _shape(entry: CatalogueEntry) -> ModelShape:
    return ModelShape(
        architecture=entry.format,
        parameters=entry.parameters,
        layers=entry.layers,
        kv_heads=entry.kv_heads,
        head_size=entry.head_size,
        # A layer of a transformer has about twelve square matrices of its width.
        embedding_size=isqrt(entry.active_parameters // (12 * (entry.layers or _USUAL_LAYERS))),
    )


def _speed(entry: CatalogueEntry, chip: Chip) -> float | None:
    if entry.task != "chat" or chip.read_bandwidth is None:
        return None
    bytes_read = entry.size * entry.active_parameters / entry.parameters
    return chip.read_bandwidth * _EFFICIENCY / bytes_read
