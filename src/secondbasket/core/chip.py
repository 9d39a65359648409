"""Words for silicon: what a probe found and what it measured."""

from typing import Literal

import msgspec


class Chip(msgspec.Struct, frozen=True, kw_only=True):
    """One processor that can run a model. Sizes in bytes, bandwidth in bytes a second.

    `cores` is what this process may use (affinity and cgroup quota, rounded
    down, at least 1), not what the machine has; of a GPU, its arithmetic cores.
    `memory_free` counts what can be had without swapping, within the cgroup's
    limit. `read_bandwidth` is measured on a CPU (None until then) and computed
    from clock and bus width on a GPU.
    """

    id: str
    kind: Literal["cpu", "gpu", "npu"]
    vendor: str
    name: str
    cores: int
    memory_total: int
    memory_free: int
    features: tuple[str, ...] = ()
    read_bandwidth: int | None = None
    driver: str = ""


class FitEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """Does a model fit a chip, in bytes: what it needs against what is free.

    `weights`, `kv_cache` and `margin` (compute buffers and the engine itself)
    are resident once the model has answered; `prompt_cache` fills up with use.
    """

    chip: str
    weights: int
    kv_cache: int
    margin: int
    prompt_cache: int = 0
    free: int

    @property
    def resident(self) -> int:
        """What the engine process is expected to hold soon after the load."""
        return self.weights + self.kv_cache + self.margin

    @property
    def needed(self) -> int:
        """What it may come to hold."""
        return self.resident + self.prompt_cache

    @property
    def fits(self) -> bool:
        return self.needed <= self.free
