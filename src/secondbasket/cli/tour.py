"""`basket tour`: the whole stack at work, on the newcomer's own machine."""

import time

import anyio
import click
import msgspec

from secondbasket.cli.connection import connect
from secondbasket.cli.output import emit, json_option, printable
from secondbasket.cli.tour_stops import STOPS
from secondbasket.cli.tour_walk import StopFailed, Walk
from secondbasket.errors import BasketError


class Visited(msgspec.Struct, frozen=True):
    """One stop as it went."""

    title: str
    passed: bool
    seconds: float
    seen: list[str]


@click.command()
@json_option
def command(as_json: bool) -> None:
    """See the whole stack at work on this machine, in two minutes.

    Everything is really done and checked; it fails when something does not come out as it has to.
    At one stop the engine is killed in the middle of an answer; at the last, it is taken away in a
    drill, whose own requests alone are cut.
    """
    visited = anyio.run(_walk, not as_json)
    if as_json:
        emit(visited)
    failed = [stop.title for stop in visited if not stop.passed]
    if failed:
        raise StopFailed(
            f"{len(failed)} of {len(visited)} stops failed: {', '.join(failed)}.",
            hint="`basket doctor` looks closer.",
        )


async def _walk(show: bool) -> list[Visited]:
    visited = []
    async with connect(engines=True) as server:
        walk = Walk(server)
        for number, stop in enumerate(STOPS, start=1):
            if show:
                click.secho(f"\n{number}. {stop.title}", bold=True)
            started = time.monotonic()
            try:
                seen, passed = await stop.visit(walk), True
            except BasketError as error:
                seen, passed = [str(error)], False
            spent = round(time.monotonic() - started, 2)
            visited.append(Visited(stop.title, passed, spent, seen))
            if show:
                for line in seen:
                    click.echo(f"   {printable(line)}")
    return visited
