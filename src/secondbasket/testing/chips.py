"""What every chip probe must do, ours and others': subclass `ChipProbeContract`."""

import msgspec
import pytest

from secondbasket.core.chip import Chip
from secondbasket.core.ports import ChipProbe


class ChipProbeContract:
    """Override the fixture `probe`. It may find nothing where its hardware is absent."""

    @pytest.fixture
    def probe(self) -> ChipProbe:
        raise NotImplementedError

    def test_it_has_a_name(self, probe: ChipProbe) -> None:
        assert probe.name

    @pytest.mark.parametrize("measure", [False, True])
    def test_what_it_finds_makes_sense(self, probe: ChipProbe, measure: bool) -> None:
        chips = probe.probe(measure=measure)
        assert len({chip.id for chip in chips}) == len(chips)
        for chip in chips:
            assert chip.id
            assert chip.name
            assert chip.cores >= 1
            assert 0 <= chip.memory_free <= chip.memory_total
            assert chip.memory_total > 0
            assert chip.read_bandwidth is None or chip.read_bandwidth > 0
            assert msgspec.json.decode(msgspec.json.encode(chip), type=Chip) == chip

    def test_it_finds_the_same_chips_again(self, probe: ChipProbe) -> None:
        first, second = (
            [(chip.id, chip.name, chip.memory_total) for chip in probe.probe(measure=False)]
            for _ in range(2)
        )
        assert first == second
