"""`basket upgrade`: the home's data, brought to the version that is installed."""

from datetime import UTC, datetime
from pathlib import Path

import anyio
import click

from secondbasket import __version__
from secondbasket.cli.home import read_home
from secondbasket.cli.output import emit, json_option, note
from secondbasket.core.decision import Decision
from secondbasket.ledger.journal import record_once
from secondbasket.settings import Settings
from secondbasket.stores.archive import write_archive
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Bring the home's data to the installed version, after a backup. The server must not run.

    Once the new version is installed, this changes the database's tables where they have changed.
    A database of a newer version is refused.
    """
    settings = read_home().settings
    home = Home(settings.home)
    home.create()
    with home.lock(click.get_current_context().command_path):
        before, after, backup = anyio.run(_upgrade, settings, home)
    if as_json:
        emit(
            {
                "version": __version__,
                "schema_before": before,
                "schema_after": after,
                "backup": backup and str(backup),
            }
        )
        return
    click.echo(
        f"Second Basket {__version__}: the data is of this version already."
        if before == after
        else f"Second Basket {__version__}: schema {before or 'none'} → {after}."
    )
    if backup is not None:
        click.echo(f"The data as it was before is in {backup}.")


async def _upgrade(settings: Settings, home: Home) -> tuple[str | None, str | None, Path | None]:
    """The schema before and after, and the backup where there was something to back up."""
    own = settings.database.url is None
    database = Database(settings.database.url or f"sqlite:///{home.database_file}")
    try:
        before = await database.revision()
        backup = None
        if before is not None:
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            backup = home.backups / f"before-upgrade-{stamp}.tar"
            if not own:
                note("The database is not in the home: back it up with its own tools (pg_dump).")
            await anyio.to_thread.run_sync(
                lambda: write_archive(home, backup, version=__version__, database=own, models=False)
            )
        await database.migrate()
        after = await database.revision()
        if before is not None and before != after:
            record_once(
                home.journal,
                Decision(
                    kind="schema_upgraded",
                    subject=str(after),
                    outcome="done",
                    detail={"before": before, "version": __version__},
                ),
            )
        return before, after, backup
    finally:
        database.close()
