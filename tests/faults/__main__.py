"""``python -m tests.faults``: both gateways before every fault; writes the results and the page."""

import argparse
import asyncio
import sys

from bench import litellm, machine
from secondbasket import __version__
from secondbasket.core.clock import now
from tests.faults import page
from tests.faults.cases import Case, cases, place
from tests.faults.litellm import RETRIES, proxy
from tests.faults.product import product
from tests.faults.server import FaultServer
from tests.faults.target import Measured, measure

_SECONDS = 2.0
_PATIENCE = 40.0


def _ours(each: list[Case]) -> list[Measured]:
    with FaultServer() as server:
        pairs = place(server, each)
        with product(server, each, pairs, seconds=_SECONDS) as target:
            return asyncio.run(measure(target, each, pairs, patience=_PATIENCE))


def _theirs(each: list[Case]) -> list[Measured]:
    with FaultServer() as server:
        pairs = place(server, each)
        with proxy(each, pairs, seconds=_SECONDS) as target:
            return asyncio.run(measure(target, each, pairs, patience=_PATIENCE))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--page-only", action="store_true", help="write the page again, no run")
    if not parser.parse_args().page_only:
        litellm.install()
        each = cases()
        print(f"Second Basket, {len(each)} rows", file=sys.stderr)
        ours = _ours(each)
        print(f"LiteLLM, {len(each)} rows: some minutes", file=sys.stderr)
        theirs = _theirs(each)
        results = page.Results(
            machine=machine.describe(now()),
            second_basket=__version__,
            litellm=litellm.version(),
            seconds=_SECONDS,
            patience=_PATIENCE,
            retries=RETRIES,
            ours=ours,
            theirs=theirs,
        )
        page.write(results)
    page.PAGE.write_text(page.render(page.read()))
    print(f"wrote {page.PAGE.name}")


if __name__ == "__main__":
    main()
