"""The processor this runs on, as far as this process may use it."""

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil

from secondbasket.chips.bandwidth import read_bandwidth
from secondbasket.chips.cgroup import cpu_quota, memory_limits
from secondbasket.core.chip import Chip

# What decides how fast an engine computes: the kernel's word → ours.
_FEATURES = {
    "avx2": "avx2",
    "f16c": "f16c",
    "fma": "fma",
    "avx_vnni": "avx_vnni",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "avx512_fp16": "avx512_fp16",
    "amx_tile": "amx_tile",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
    "asimd": "neon",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
}
_VENDORS = {
    "GenuineIntel": "Intel",
    "AuthenticAMD": "AMD",
    "0x41": "Arm",
    "0x4e": "NVIDIA",
    "0x51": "Qualcomm",
    "0x61": "Apple",
    "0xc0": "Ampere",
}


class CpuProbe:
    name = "cpu"

    def probe(self, *, measure: bool) -> list[Chip]:
        cores = _cores()
        memory = psutil.virtual_memory()
        limits = memory_limits()
        free = min([memory.available, *(limit.free for limit in limits)])
        described = (
            describe_linux(_cpuinfo()) if platform.system() == "Linux" else _describe_other()
        )
        vendor, name, features = described
        return [
            Chip(
                id="cpu",
                kind="cpu",
                vendor=vendor,
                name=name,
                cores=cores,
                memory_total=min([memory.total, *(limit.total for limit in limits)]),
                memory_free=free,
                features=features,
                read_bandwidth=read_bandwidth(threads=cores, memory_free=free) if measure else None,
            )
        ]


def create() -> CpuProbe:
    return CpuProbe()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        allowed = float(len(os.sched_getaffinity(0)))
    else:
        allowed = float(os.cpu_count() or 1)
    quota = cpu_quota()
    return max(1, int(allowed if quota is None else min(allowed, quota)))


def _cpuinfo() -> Mapping[str, str]:
    """The fields of the first processor in /proc/cpuinfo."""
    first, _, _ = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")
    fields = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in fields}


def describe_linux(cpuinfo: Mapping[str, str]) -> tuple[str, str, tuple[str, ...]]:
    """Vendor, name and features from the fields that x86 and Arm kernels give."""
    flags = set((cpuinfo.get("flags") or cpuinfo.get("Features") or "").split())
    maker = cpuinfo.get("vendor_id") or cpuinfo.get("CPU implementer") or ""
    return (
        _VENDORS.get(maker, maker),
        cpuinfo.get("model name") or platform.machine(),
        tuple(ours for theirs, ours in _FEATURES.items() if theirs in flags),
    )


def _describe_other() -> tuple[str, str, tuple[str, ...]]:
    if platform.system() != "Darwin":
        return "", platform.processor() or platform.machine(), ()
    brand = subprocess.run(
        ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    vendor = brand.split(" ")[0].removesuffix("(R)")
    return vendor, brand, ("neon", "dotprod") if platform.machine() == "arm64" else ()
