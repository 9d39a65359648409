"""`basket backup`: the home in one file."""

from pathlib import Path

import click

from secondbasket import __version__
from secondbasket.cli.home import read_home
from secondbasket.cli.output import emit, json_option, note, size
from secondbasket.stores.archive import write_archive
from secondbasket.stores.home import Home


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--with-models", is_flag=True, help="Take the weights along; they are large.")
@json_option
def command(file: Path, with_models: bool, as_json: bool) -> None:
    """Write the home into one file.

    It takes settings, secrets, keys, receipts and the list of models; a running server need not
    stop. Keep the file as safe as the home, for it holds the same secrets. A PostgreSQL database
    is not part of it: back that up with pg_dump.
    """
    settings = read_home().settings
    home = Home(settings.home)
    home.create()
    own_database = settings.database.url is None
    if not own_database:
        note("The database is not in the home: back it up with its own tools (pg_dump).")
    contents = write_archive(
        home, file.absolute(), version=__version__, database=own_database, models=with_models
    )
    written = file.stat().st_size
    if as_json:
        emit({"file": str(file.absolute()), "bytes": written, "contents": contents})
        return
    click.echo(f"{file}: {len(contents.files)} files, {size(written)}")
