"""What every test shares: the asyncio backend, and the time each area took."""

from collections import defaultdict
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Seconds and tests per area, an area being tests/<kind>/<layer>."""
    seconds: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if not isinstance(report, pytest.TestReport):
                continue
            folders = Path(report.nodeid.partition("::")[0]).parent.parts[1:3]
            area = "/".join(folders) or "tests"
            seconds[area] += report.duration
            counts[area] += report.when == "call"
    terminalreporter.section("time by area")
    for area in sorted(seconds, key=lambda name: -seconds[name]):
        terminalreporter.write_line(f"{seconds[area]:8.2f} s  {counts[area]:5d} tests  {area}")
