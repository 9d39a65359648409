"""What is to be measured: as the settings plan it, and as somebody asks for it now."""

from pathlib import Path

import msgspec


class ParityPlan(msgspec.Struct, frozen=True):
    """How the settings have a basket measured. `evals` None is the shipped file."""

    evals: Path | None = None
    judge: str | None = None


class ParityOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run. `evals` are the contents of a file in place of the basket's own."""

    basket: str
    upstream: str | None = None
    evals: str | None = None
    evals_name: str = ""
    judge: str | None = None
    data_class: str | None = None
