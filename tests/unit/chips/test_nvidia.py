"""The NVIDIA probe: really absent here, else against a scripted stand-in for the NVML module."""

import logging
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from secondbasket.chips.probes.nvidia import NvidiaProbe, create


def has_driver() -> bool:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    pynvml.nvmlShutdown()
    return True


class ScriptedNvml:
    """Answers as NVML does for `gpus`, with NVML's own error classes and constants."""

    NVML_CLOCK_MEM = pynvml.NVML_CLOCK_MEM
    NVMLError = pynvml.NVMLError
    NVMLError_LibraryNotFound = pynvml.NVMLError_LibraryNotFound
    NVMLError_DriverNotLoaded = pynvml.NVMLError_DriverNotLoaded

    def __init__(self, *gpus: dict[str, Any], refuses: int | None = None) -> None:
        self.gpus = gpus
        self.refuses = refuses
        self.open = 0

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names
        if self.refuses is not None:
            raise pynvml.NVMLError(self.refuses)
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802 - NVML's name
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802 - NVML's name
        return "610.43.02"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's name
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:  # noqa: N802 - NVML's name
        return self.gpus[index]

    def nvmlDeviceGetMaxClockInfo(self, gpu: dict[str, Any], clock: int) -> int:  # noqa: N802 - NVML's name
        assert clock == self.NVML_CLOCK_MEM
        return int(gpu["MemoryClock"])

    def __getattr__(self, name: str) -> Any:
        field = name.removeprefix("nvmlDeviceGet")

        def answer(gpu: dict[str, Any]) -> Any:
            if isinstance(gpu[field], int) and gpu[field] < 0:
                raise pynvml.NVMLError(-gpu[field])
            return gpu[field]

        return answer


H100 = {
    "Name": "NVIDIA H100 80GB HBM3",
    "UUID": "GPU-1c5ac0de-0000-0000-0000-000000000001",
    "MemoryInfo": SimpleNamespace(total=85_520_809_984, free=84_900_000_000),
    "CudaComputeCapability": (9, 0),
    "NumGpuCores": 16_896,
    "MemoryBusWidth": 5120,
    "MemoryClock": 2619,
}


@pytest.mark.skipif(has_driver(), reason="this machine has an NVIDIA driver")
def test_no_driver_is_no_chip_and_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    assert create().probe(measure=True) == []
    assert caplog.records == []


def test_what_the_driver_says_becomes_a_chip() -> None:
    nvml = ScriptedNvml(H100)
    (chip,) = NvidiaProbe(nvml).probe(measure=False)
    assert (chip.id, chip.kind, chip.vendor) == (H100["UUID"], "gpu", "NVIDIA")
    assert (chip.memory_total, chip.memory_free) == (85_520_809_984, 84_900_000_000)
    assert chip.cores == 16_896
    assert chip.features == ("compute_9.0",)
    assert chip.driver == "610.43.02"
    assert chip.read_bandwidth == 3_352_320_000_000  # its data sheet says 3.35 TB/s
    assert nvml.open == 0


def test_a_gpu_that_fails_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    lost = H100 | {"MemoryInfo": -pynvml.NVML_ERROR_GPU_IS_LOST}
    nvml = ScriptedNvml(lost, H100)
    assert [chip.id for chip in NvidiaProbe(nvml).probe(measure=False)] == [H100["UUID"]]
    assert "NVIDIA GPU 0 cannot be used" in caplog.text
    assert nvml.open == 0


def test_a_driver_that_does_not_answer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    broken = ScriptedNvml(refuses=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)
    with caplog.at_level(logging.WARNING):
        assert NvidiaProbe(broken).probe(measure=False) == []
    assert "does not answer" in caplog.text
