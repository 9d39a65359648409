"""The chip probes' contract, over every built-in probe as it is on this machine."""

import pytest

from secondbasket.chips.probes import cpu, nvidia
from secondbasket.core.ports import ChipProbe
from secondbasket.testing.chips import ChipProbeContract


class TestCpu(ChipProbeContract):
    @pytest.fixture
    def probe(self) -> ChipProbe:
        return cpu.create()


class TestNvidia(ChipProbeContract):
    @pytest.fixture
    def probe(self) -> ChipProbe:
        return nvidia.create()
