"""Which engine runs a model, on which chip, with how much context: decided before any load."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from secondbasket.chips.fit import estimate, require_fit
from secondbasket.cloud.replica import ReplicaSpec
from secondbasket.core.chip import Chip
from secondbasket.core.model import ModelRecord, ModelShape, ModelTask
from secondbasket.core.plugins import load
from secondbasket.core.ports import Engine, EngineOptions
from secondbasket.errors import EngineError, PluginError

# An embedding call is short and takes all threads: a second one at a time is for fairness only.
_SLOTS: Mapping[ModelTask, int] = {"chat": 4, "embedding": 2}
_LARGEST_CONTEXT = 4096
_SMALLEST_CONTEXT = 1024
# What sentence-transformers reads of a text when a model does not say how much it can.
_UNTOLD_CONTEXT = 256
_LARGEST_CACHE_MIB = 256

_MIB = 1024 * 1024


def load_engines(names: Sequence[str] | None = None) -> dict[str, Engine]:
    """The engines `names`, or all that are installed, by name. Raises PluginError."""
    return {name: create() for name, create in load("secondbasket.engines", names).items()}


def pick_engine(
    model: ModelRecord, engines: Mapping[str, Engine], name: str | None = None
) -> Engine:
    """The first of `engines` that knows the model's format and task, or the one called `name`.

    Raises PluginError where there is none such.
    """
    for engine in engines.values():
        if name not in (None, engine.name):
            continue
        if model.format in engine.formats and model.task in engine.tasks:
            return engine
    known = "; ".join(
        f"{name} runs {'/'.join(engine.formats)} for {'/'.join(engine.tasks)}"
        for name, engine in engines.items()
    )
    wanted = f"The engine '{name}' does not run" if name else "No installed engine runs"
    raise PluginError(
        f"{wanted} '{model.name}': {model.format} weights for {model.task}.",
        hint=f"Installed: {known or 'none'}. Pull the model in another format, or install a"
        " package that offers an engine for this one.",
    )


def choose_options(
    model: ModelRecord,
    chip: Chip,
    *,
    engine: str = "",
    context_tokens: int | None = None,
    slots: int | None = None,
    threads: int | None = None,
    cache_mib: int | None = None,
) -> EngineOptions:
    """What is not given is chosen for the chip and the model.

    Four slots, two for embeddings; as many threads as cores are allowed; a
    context of at most 4096 tokens a slot, halved down to 1024 until the model
    needs no more than three quarters of the free memory; a prompt cache of at
    most 256 MiB and a 32nd of it. A context is never larger than the model's
    own: 256 tokens where its header does not tell, as in ONNX files.
    """
    shape = _shape(model)
    own = shape.context_tokens or _UNTOLD_CONTEXT

    def options(context: int) -> EngineOptions:
        return EngineOptions(
            context_tokens=context,
            slots=slots or _SLOTS[model.task],
            threads=threads or chip.cores,
            cache_mib=_cache_mib(chip) if cache_mib is None else cache_mib,
        )

    if context_tokens is not None:
        return options(min(context_tokens, own))
    context = min(own, _LARGEST_CONTEXT)
    while context // 2 >= _SMALLEST_CONTEXT:
        needed = estimate(
            shape=shape,
            weights_bytes=model.size,
            options=options(context),
            chip=chip,
            task=model.task,
            engine=engine,
        ).needed
        if needed <= chip.memory_free * 3 // 4:
            break
        context //= 2
    return options(context)


def usual_options(chip: Chip) -> EngineOptions:
    """What an engine gets where neither the operator nor the model says otherwise."""
    return EngineOptions(
        context_tokens=_LARGEST_CONTEXT,
        slots=_SLOTS["chat"],
        threads=chip.cores,
        cache_mib=_cache_mib(chip),
    )


def place(
    model: ModelRecord,
    files: Mapping[str, Path],
    *,
    engines: Mapping[str, Engine],
    chips: Iterable[Chip],
    engine: str | None = None,
    promised: int = 0,
    context_tokens: int | None = None,
    slots: int | None = None,
    threads: int | None = None,
    cache_mib: int | None = None,
) -> ReplicaSpec:
    """What the supervisor is to run; `chips` as probed just now, their free memory decides.

    The first engine that knows the model runs it under the model's own name,
    another one, asked for by the name `engine`, as MODEL@ENGINE. `promised`
    bytes of the memory are spoken for (`Supervisor.promised_bytes`). The
    built-in engines compute on the CPU, so that is where a model goes. Raises
    PluginError, ModelDoesNotFit, and EngineError where no CPU was probed.
    """
    usual = pick_engine(model, engines)
    chosen = usual if engine is None else pick_engine(model, engines, engine)
    chip = next((each for each in chips if each.kind == "cpu"), None)
    if chip is None:
        raise EngineError(
            f"'{model.name}' has no chip to run on: no probe found a CPU.",
            hint="Run 'basket doctor'; the probe 'cpu' comes with Second Basket.",
        )
    chip = msgspec.structs.replace(chip, memory_free=max(0, chip.memory_free - promised))
    options = choose_options(
        model,
        chip,
        engine=chosen.name,
        context_tokens=context_tokens,
        slots=slots,
        threads=threads,
        cache_mib=cache_mib,
    )
    return ReplicaSpec(
        name=model.name if chosen is usual else f"{model.name}@{chosen.name}",
        model=model,
        files=files,
        engine=chosen,
        options=options,
        chip=chip,
        estimate=require_fit(
            shape=_shape(model),
            weights_bytes=model.size,
            options=options,
            chip=chip,
            task=model.task,
            engine=chosen.name,
        ),
    )


def _shape(model: ModelRecord) -> ModelShape:
    return model.shape or ModelShape(architecture=model.format, parameters=0)


def _cache_mib(chip: Chip) -> int:
    return min(_LARGEST_CACHE_MIB, chip.memory_free // 32 // _MIB)
