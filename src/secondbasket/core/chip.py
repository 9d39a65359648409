"""Words for silicon: what a probe found and what it measured."""

from typing import Literal

import msgspec


class Chip(msgspec.Struct, frozen=True, kw_only=True):
    """One processor that can run a model. Sizes in bytes, bandwidth in bytes a second.

    `cores` is what this process may use (affinity and cgroup quota, rounded
    down, at least 1), not what the machine has. `memory_free` counts what can
    be had without swapping, within the cgroup's limit.
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
    """Does a model fit a chip, in bytes: what it needs against what is free."""

    chip: str
    weights: int
    kv_cache: int
    margin: int
    free: int

    @property
    def needed(self) -> int:
        return self.weights + self.kv_cache + self.margin

    @property
    def fits(self) -> bool:
        return self.needed <= self.free
