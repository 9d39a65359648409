"""The words for one engine process and how it is doing."""

from typing import Literal

import msgspec

from secondbasket.core.chip import FitEstimate

ReplicaState = Literal["starting", "ready", "restarting", "failed", "draining", "stopped"]


class ReplicaStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One replica as people and scripts see it; memory in bytes."""

    name: str
    state: ReplicaState
    reason: str
    engine: str
    chip: str
    pid: int | None
    restarts: int
    context_tokens: int
    slots: int
    estimate: FitEstimate
    observed_bytes: int | None
    log: str
