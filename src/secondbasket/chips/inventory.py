"""All the chips of this machine, as the installed probes see them."""

from collections.abc import Iterable, Sequence

import msgspec

from secondbasket.core.chip import Chip
from secondbasket.core.plugins import load
from secondbasket.core.ports import ChipProbe


def load_probes(names: Sequence[str] | None = None) -> dict[str, ChipProbe]:
    """The probes `names`, or all that are installed, by name. Raises PluginError."""
    return {name: create() for name, create in load("secondbasket.chip_probes", names).items()}


def inventory(probes: Iterable[ChipProbe], *, measure: bool = False) -> list[Chip]:
    """What all `probes` find. Blocks; with `measure` for up to a second a chip."""
    return [chip for probe in probes for chip in probe.probe(measure=measure)]


class Inventory:
    """The chips of this machine as they are now; a measured bandwidth is remembered.

    What is free changes by the second, what silicon can do does not. Blocks.
    """

    def __init__(self, probes: Iterable[ChipProbe]) -> None:
        self._probes = tuple(probes)
        self._bandwidth: dict[str, int | None] = {}

    def now(self) -> list[Chip]:
        """As probed just now, with the bandwidth of the last measurement, if there was one."""
        return [
            msgspec.structs.replace(chip, read_bandwidth=self._bandwidth.get(chip.id))
            for chip in inventory(self._probes)
        ]

    def measured(self) -> list[Chip]:
        """With the bandwidth measured anew, for up to a second a chip."""
        chips = inventory(self._probes, measure=True)
        self._bandwidth = {chip.id: chip.read_bandwidth for chip in chips}
        return chips
