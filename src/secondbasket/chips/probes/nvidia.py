"""NVIDIA GPUs, through the management library that comes with their driver."""

import logging
from typing import Any

from secondbasket.core.chip import Chip

_log = logging.getLogger(__name__)


class NvidiaProbe:
    """`nvml` is the module `pynvml`, or one that answers like it."""

    name = "nvidia"

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml

    def probe(self, *, measure: bool) -> list[Chip]:  # noqa: ARG002 - the bandwidth is computed
        nvml = self._nvml
        try:
            nvml.nvmlInit()
        except (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded):
            return []
        except nvml.NVMLError as exc:
            _log.warning("The NVIDIA driver is installed but does not answer: %s", exc)
            return []
        try:
            return self._chips()
        finally:
            nvml.nvmlShutdown()

    def _chips(self) -> list[Chip]:
        chips = []
        for index in range(self._nvml.nvmlDeviceGetCount()):
            try:
                chips.append(self._chip(self._nvml.nvmlDeviceGetHandleByIndex(index)))
            except self._nvml.NVMLError as exc:
                _log.warning("NVIDIA GPU %d cannot be used: %s", index, exc)
        return chips

    def _chip(self, device: Any) -> Chip:
        nvml = self._nvml
        memory = nvml.nvmlDeviceGetMemoryInfo(device)
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(device)
        return Chip(
            id=nvml.nvmlDeviceGetUUID(device),
            kind="gpu",
            vendor="NVIDIA",
            name=nvml.nvmlDeviceGetName(device),
            cores=nvml.nvmlDeviceGetNumGpuCores(device),
            memory_total=memory.total,
            memory_free=memory.free,
            features=(f"compute_{major}.{minor}",),
            read_bandwidth=self._bandwidth(device),
            driver=nvml.nvmlSystemGetDriverVersion(),
        )

    def _bandwidth(self, device: Any) -> int:
        """Bytes a second by the data sheet: memory clock (MHz), two transfers a cycle, bus bits."""
        clock = self._nvml.nvmlDeviceGetMaxClockInfo(device, self._nvml.NVML_CLOCK_MEM)
        return int(clock * 1_000_000 * 2 * self._nvml.nvmlDeviceGetMemoryBusWidth(device) // 8)


def create() -> NvidiaProbe:
    import pynvml  # noqa: PLC0415 - of use to this probe alone

    return NvidiaProbe(pynvml)
