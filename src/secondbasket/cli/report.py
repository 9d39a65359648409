"""`basket report`: what workers did, told from the books."""

import click

from secondbasket.apps.report.markdown import markdown
from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, printable
from secondbasket.core.report import MorningReport


@click.group()
def command() -> None:
    """Tell what workers did overnight, and what waits for you."""


@command.command()
@click.option("--since", metavar="MOMENT", help="In RFC 3339. Default: 24 hours ago.")
@click.option("--until", metavar="MOMENT", help="In RFC 3339. Default: now.")
@json_option
def morning(since: str | None, until: str | None, as_json: bool) -> None:
    """Tell in Markdown what was done and failed, what waits for you, and what it cost."""
    report = call(
        lambda server: server.get("reports/morning", MorningReport, since=since, until=until)
    )
    if as_json:
        emit(report)
    else:
        click.echo(printable(markdown(report)), nl=False)
