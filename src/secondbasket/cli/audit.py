"""`basket ledger verify` and `basket ledger export`: on the database itself, or on files alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import anyio
import click
import msgspec

from secondbasket import __version__
from secondbasket.cli.home import read_home
from secondbasket.cli.output import emit, json_option, note, printable, size
from secondbasket.errors import BadSignature, BasketError, NotFound
from secondbasket.ledger.audit import Audit, audit
from secondbasket.ledger.export import ExportRecord, write_export
from secondbasket.ledger.findings import Problems
from secondbasket.ledger.head_check import Document
from secondbasket.ledger.key_rows import check_key_rows
from secondbasket.ledger.record import DatabaseRecord
from secondbasket.ledger.signing import PublicKey, read_public_keys
from secondbasket.ledger.signing_key import SigningKey
from secondbasket.ledger.sums import check_sums
from secondbasket.settings import Settings
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home

T = TypeVar("T")

_File = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("export", type=_File, required=False)
@click.option(
    "--head", "heads", type=_File, multiple=True, help="Heads that were kept elsewhere, as JSON."
)
@click.option(
    "--public-key", "keys", type=_File, multiple=True, help="Keys to believe, as PEM; else our own."
)
@click.option("--report", "reports", type=_File, multiple=True, help="A signed drill report.")
@json_option
def verify(
    export: Path | None,
    heads: tuple[Path, ...],
    keys: tuple[Path, ...],
    reports: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Say whether the ledger is what it was. Fails when anything was changed.

    Checks the database of this home, whether a server runs or not, or the file EXPORT of `basket
    ledger export`, which needs no home. Give the heads that were kept on another host: a ledger
    that was rewritten as a whole can only be told from them.
    """
    kept = [document for file in heads for document in _read_heads(file)]
    told = [Document(str(file), file.read_bytes()) for file in reports]
    known = [key for file in keys for key in _read_keys(file)] if keys else None
    if export is not None:
        found = audit(ExportRecord(export), heads=kept, keys=known, reports=told)
    else:
        found = _verify_home(kept, known, told)
    if as_json:
        emit(found)
    else:
        _show(found)
    if not found.sound:
        count = len(found.problems) + found.more_problems
        raise BasketError(
            f"The ledger is not what it was: {count} {'problem' if count == 1 else 'problems'}."
        )


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def export(file: Path, as_json: bool) -> None:
    """Write all of the ledger into FILE, for an auditor: no key opens anything with it.

    It holds every decision, receipt and signed head, as of one moment; a running server need not
    stop.
    """
    target = file.absolute()
    end = _read_ledger(
        read_home().settings, lambda record: write_export(record, target, version=__version__)
    )
    written = target.stat().st_size
    if as_json:
        emit({"file": str(target), "bytes": written, "contents": end})
        return
    click.echo(
        f"{file}: {end.entries} entries, {end.receipts} receipts, {end.heads} heads,"
        f" {size(written)}"
    )


def _verify_home(
    heads: list[Document], keys: list[PublicKey] | None, reports: list[Document]
) -> Audit:
    settings = read_home().settings
    if keys is None:
        own = SigningKey(Home(settings.home).signing_key_file).public_key()
        keys = None if own is None else [own]

    def look(record: DatabaseRecord) -> Audit:
        problems = Problems()
        check_sums(record.connection, problems)
        check_key_rows(record.connection, problems)
        return audit(record, heads=heads, keys=keys, reports=reports, problems=problems)

    return _read_ledger(settings, look)


def _read_ledger(settings: Settings, work: Callable[[DatabaseRecord], T]) -> T:
    """What `work` makes of the database's ledger, as of one moment."""
    home = Home(settings.home)
    if settings.database.url is None and not home.database_file.is_file():
        raise NotFound(
            f"There is no ledger in {home.root}.",
            hint="Set SECONDBASKET_HOME, or name a file of `basket ledger export`.",
        )

    async def read() -> T:
        database = Database(settings.database.url or f"sqlite:///{home.database_file}")
        try:
            await database.require_current()
            return await database.snapshot(lambda connection: work(DatabaseRecord(connection)))
        finally:
            database.close()

    return anyio.run(read)


def _read_heads(file: Path) -> Iterator[Document]:
    """One head, or one on each line."""
    text = file.read_bytes()
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        for number, line in enumerate(text.splitlines(), 1):
            yield Document(f"{file}, line {number}", line)
    else:
        yield Document(str(file), text)


def _read_keys(file: Path) -> list[PublicKey]:
    try:
        return read_public_keys(file.read_text(encoding="ascii"))
    except (UnicodeDecodeError, BadSignature) as exc:
        raise BadSignature(f"{file} holds no public key.", hint="It must be a PEM file.") from exc


def _show(found: Audit) -> None:
    click.echo(
        printable(
            f"{found.record}: ledger {found.ledger or 'of nothing yet'}, {found.entries} entries,"
            f" {found.receipts} receipts"
        )
    )
    click.echo(f"The last entry's hash is {found.hash}.")
    if found.heads:
        agree = "head agrees; it covers" if found.heads == 1 else "heads agree; they cover"
        click.echo(f"{found.heads} signed {agree} entries 1 to {found.covered}.")
    for number, fact in enumerate(found.keys):
        how = f"announced by {fact.announced_by}" if fact.announced_by else "signed for by no key"
        how = how if number else "the first one"
        known = "" if fact.known else ", not known"
        click.echo(f"Key {fact.key}: entry {fact.entry}, {how}{known}")
    for problem in found.problems:
        click.echo(f"{click.style(problem.kind, fg='red')}: {printable(problem.told)}")
    if found.more_problems:
        click.echo(f"… and {found.more_problems} more.")
    for remark in found.notes:
        note(remark)
    if found.sound:
        click.secho("Sound.", fg="green")
