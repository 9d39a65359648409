"""`basket egress`: what left this machine."""

import click

from secondbasket.cli.connection import call
from secondbasket.cli.moment import read_moment
from secondbasket.cli.output import emit, json_option, size, table
from secondbasket.core.egress import EgressSum


@click.command()
@click.option("--since", metavar="WHEN", help="Leave out what was before: 24h, 30d, or a moment.")
@click.option("--until", metavar="WHEN", help="Leave out what came then or later.")
@json_option
def command(since: str | None, until: str | None, as_json: bool) -> None:
    """Show what left this machine: to whom, and under which law.

    Counts the bytes of request and response bodies, in whole hours. Answers of your own engines
    stay on this machine and are not in it.
    """
    sums = call(
        lambda server: server.get(
            "egress",
            list[EgressSum],
            since=read_moment(since, "--since"),
            until=read_moment(until, "--until"),
        )
    )
    if as_json:
        emit(sums)
    elif not sums:
        click.echo("Nothing has left this machine.")
    else:
        table(
            ("DESTINATION", "VENDOR", "LAW", "CLASS", "SENT", "RECEIVED"),
            [
                (
                    each.destination,
                    each.vendor or "-",
                    each.law or "-",
                    each.data_class,
                    size(each.sent),
                    size(each.received),
                )
                for each in sums
            ],
            right=(4, 5),
        )
