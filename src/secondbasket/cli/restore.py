"""`basket restore`: a home out of a backup."""

import os
from pathlib import Path

import click

from secondbasket.cli.output import emit, json_option, printable
from secondbasket.core.decision import Decision
from secondbasket.ledger.journal import record_once
from secondbasket.settings import default_home
from secondbasket.stores.archive import read_archive
from secondbasket.stores.home import Home


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Restore over what is here, which is kept aside.")
@json_option
def command(file: Path, force: bool, as_json: bool) -> None:
    """Bring a home back from a backup. The server must not run.

    The file is read and checked as a whole before anything changes. Weights that the backup does
    not hold are pulled again with `basket model pull`. The ledger tells that it was restored: heads
    that were kept elsewhere since the backup say that entries are missing, which is true.
    """
    home = Home(default_home(os.environ))
    home.create()
    with home.lock(click.get_current_context().command_path):
        contents, aside = read_archive(home, file, force=force)
        record_once(
            home.journal,
            Decision(
                kind="home_restored",
                subject=contents.made_at,
                outcome="done",
                detail={"version": contents.version},
            ),
        )
    if as_json:
        emit({"home": str(home.root), "contents": contents, "kept_aside": aside and str(aside)})
        return
    click.echo(
        printable(
            f"{home.root} is as it was on {contents.made_at} ({len(contents.files)} files,"
            f" Second Basket {contents.version})."
        )
    )
    if aside is not None:
        click.echo(f"What was here before is in {aside}.")
    click.echo("Next: `basket upgrade`, then `basket doctor`.")
