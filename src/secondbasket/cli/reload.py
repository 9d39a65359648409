"""`basket reload`: a changed basket.toml comes into force in the running server."""

import click

from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, printable
from secondbasket.core.reloaded import Reloaded


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Have the running server read basket.toml again.

    Providers, upstreams, baskets and projects change at once; calls under way end as they began.
    A file with a mistake in it changes nothing. Other settings wait for a restart.
    """
    reloaded = call(lambda server: server.post("reload", Reloaded), start=False)
    if as_json:
        emit(reloaded)
    else:
        click.echo(printable(summary(reloaded)))


def summary(reloaded: Reloaded) -> str:
    """What changed, and what did not yet, in a line."""
    told = f"Changed: {', '.join(reloaded.changed)}." if reloaded.changed else "Nothing changed."
    if reloaded.waiting:
        told += f" These wait for a restart: {', '.join(reloaded.waiting)}."
    return told
