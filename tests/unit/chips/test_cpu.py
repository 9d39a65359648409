"""The CPU probe on this machine, and what other machines' kernels say."""

import os
import platform
import tracemalloc
from pathlib import Path

import pytest

from secondbasket.chips.bandwidth import read_bandwidth
from secondbasket.chips.probes.cpu import create, describe_linux


def test_this_machine() -> None:
    (chip,) = create().probe(measure=False)
    assert (chip.id, chip.kind) == ("cpu", "cpu")
    assert chip.name
    assert 0 < chip.memory_free < chip.memory_total
    assert chip.read_bandwidth is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_cores_are_those_this_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        (chip,) = create().probe(measure=False)
    finally:
        os.sched_setaffinity(0, before)
    assert chip.cores == 1


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc/cpuinfo")
def test_features_are_what_the_kernel_says() -> None:
    (chip,) = create().probe(measure=False)
    words = Path("/proc/cpuinfo").read_text().split()
    for feature in ("avx2", "avx512f", "amx_int8"):
        assert (feature in chip.features) == (feature in words)


def test_arm_servers_are_told_in_the_same_words() -> None:
    vendor, name, features = describe_linux(
        {"CPU implementer": "0x41", "Features": "fp asimd aes asimddp sve i8mm bf16 sve2"}
    )
    assert vendor == "Arm"
    assert name == platform.machine()
    assert features == ("neon", "dotprod", "i8mm", "bf16", "sve", "sve2")


def test_an_unknown_vendor_keeps_its_own_name() -> None:
    assert describe_linux({"vendor_id": "HygonGenuine", "model name": "C86", "flags": "avx2"}) == (
        "HygonGenuine",
        "C86",
        ("avx2",),
    )


def test_measured_bandwidth_is_of_this_world() -> None:
    (chip,) = create().probe(measure=True)
    assert chip.read_bandwidth is not None
    assert 500e6 < chip.read_bandwidth < 2e12


def test_the_measurement_takes_a_quarter_of_little_memory() -> None:
    tracemalloc.start()  # numpy tells it of its arrays
    assert read_bandwidth(threads=2, memory_free=64 << 20) > 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 16 << 20 <= peak < 18 << 20
