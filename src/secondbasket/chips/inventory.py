"""All the chips of this machine, as the installed probes see them."""

from collections.abc import Iterable, Sequence

from secondbasket.core.chip import Chip
from secondbasket.core.plugins import load
from secondbasket.core.ports import ChipProbe


def load_probes(names: Sequence[str] | None = None) -> dict[str, ChipProbe]:
    """The probes `names`, or all that are installed, by name. Raises PluginError."""
    return {name: create() for name, create in load("secondbasket.chip_probes", names).items()}


def inventory(probes: Iterable[ChipProbe], *, measure: bool = False) -> list[Chip]:
    """What all `probes` find. Blocks; with `measure` for up to a second a chip."""
    return [chip for probe in probes for chip in probe.probe(measure=measure)]
