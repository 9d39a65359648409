"""`basket lint`: would the upstreams of a basket stop together?"""

import anyio
import click

from secondbasket.cli.connection import connect
from secondbasket.cli.output import emit, json_option, note, printable
from secondbasket.errors import BasketError
from secondbasket.maas.independence import Findings

_MARKS = {"breaks": ("red", "breaks"), "narrows": ("yellow", "narrows")}


@click.command()
@click.argument("basket", required=False)
@click.option("--strict", is_flag=True, help="Fail where one cause would break a basket.")
@json_option
def command(basket: str | None, strict: bool, as_json: bool) -> None:
    """Say what the upstreams of a basket share, and what would break it. Default: every basket.

    Compared are vendor, operator, controlling law, location, origin of the weights, the weights
    themselves, engine code, machine, network and DNS zone. Each finding says what would have to
    happen: it "breaks" the basket where nothing would be left, and "narrows" it else. An upstream
    that is below its parity floor, was not measured in time, or is not served here does not count.
    """
    findings = anyio.run(_findings, basket)
    if as_json:
        emit(findings.shared)
    else:
        _show(findings)
    broken = sorted({each.basket for each in findings.shared if each.severity == "breaks"})
    if strict and broken:
        raise BasketError(
            f"One cause would break {', '.join(broken)}.",
            hint="Add an upstream of another vendor, law, machine and origin to each.",
        )


async def _findings(basket: str | None) -> Findings:
    # What our own engines share is known once they are placed: a stack of our own has to do that.
    async with connect(engines=True) as server:
        return await server.get("lint", Findings, basket=basket)


def _show(findings: Findings) -> None:
    for name in findings.baskets:
        click.secho(printable(name), bold=True)
        shared = [each for each in findings.shared if each.basket == name]
        for each in shared:
            colour, mark = _MARKS[each.severity]
            domain = each.domain.replace("_", " ").ljust(14)
            click.echo(f"  {click.style(mark.ljust(7), fg=colour)}  {domain}  ", nl=False)
            click.echo(printable(each.told))
            if len(each.upstreams) > 1:
                click.echo(f"{' ' * 27}{printable(', '.join(each.upstreams))}")
        if not shared:
            click.echo("  Its upstreams share nothing that is known.")
        for unknown in findings.unknown:
            if unknown.basket == name:
                domain = unknown.domain.replace("_", " ")
                note(f"  Not known, so not compared: {domain} of {', '.join(unknown.upstreams)}.")
