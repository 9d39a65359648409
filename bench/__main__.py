"""``python -m bench``: measure, keep the figures, write the page."""

import argparse
import sys
from collections.abc import Callable

import msgspec

from bench import (
    detectors,
    engine,
    failover,
    gateway,
    journal,
    litellm,
    machine,
    memory,
    retrieval,
    routing,
    start,
    table,
)
from secondbasket.core.clock import now
from tools.locks import ROOT

PARTS = (
    *("start", "engine", "gateway", "detectors", "routing", "failover", "journal", "memory"),
    "retrieval",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="a part (all)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each measurement (5)")
    parser.add_argument("--seconds", type=int, default=5, help="length of one turn of load (5)")
    asked = parser.parse_args()
    parts = asked.only or PARTS

    measure: dict[str, Callable[[], table.Figures]] = {
        "start": lambda: start.run(rounds=asked.rounds),
        "engine": lambda: engine.run(rounds=asked.rounds),
        "gateway": lambda: gateway.run(rounds=asked.rounds, seconds=asked.seconds),
        "detectors": lambda: detectors.run(rounds=asked.rounds, seconds=asked.seconds),
        "routing": lambda: routing.run(rounds=asked.rounds),
        "failover": lambda: failover.run(rounds=asked.rounds),
        "journal": lambda: journal.run(rounds=asked.rounds, seconds=asked.seconds),
        "memory": memory.run,
        "retrieval": retrieval.run,
    }
    if "gateway" in parts:
        litellm.install()
    table.RESULTS.mkdir(exist_ok=True)
    for name in parts:
        print(f"Measuring: {name}", file=sys.stderr)
        figures = measure[name]()
        text = msgspec.json.encode(table.Measured(machine=machine.describe(now()), figures=figures))
        (table.RESULTS / f"{name}.json").write_bytes(msgspec.json.format(text, indent=1) + b"\n")
    table.write()
    print((ROOT / "docs" / "bench.md").read_text())


if __name__ == "__main__":
    main()
