"""`basket data`: what models are trained and measured on."""

from pathlib import Path
from typing import TypeVar

import click
import msgspec

from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, moment, note, printable, table
from secondbasket.core.data_class import DataClass
from secondbasket.core.data_set import DataChecked, DataErased, DataRow, DataVersion
from secondbasket.errors import InvalidRequest
from secondbasket.models.data.readers import Columns
from secondbasket.server.admin.data_words import (
    CheckData,
    EraseData,
    ImportData,
    NamedData,
    RedactedData,
    SplitData,
)

T = TypeVar("T")

_MOST_SHOWN = 50


@click.group()
def command() -> None:
    """Import, check, split, redact and erase data to train and measure on.

    A data set has versions, which never change; NAME is its newest, NAME@DIGEST any other.
    """


@command.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", required=True, help="The data set that it is a version of.")
@click.option("--prompt", default="prompt", show_default=True, help="The column with the question.")
@click.option("--answer", default="answer", show_default=True, help="The column with the answer.")
@click.option("--system", help="The column with instructions, where there is one.")
@click.option("--query", help="What to read of a database: a SELECT of these columns.")
@click.option(
    "--data-class",
    type=click.Choice([each.label for each in DataClass]),
    default=DataClass.INTERNAL.label,
    show_default=True,
    help="The least class of it; what detectors find in it may raise it.",
)
@json_option
def take(
    file: Path,
    name: str,
    prompt: str,
    answer: str,
    system: str | None,
    query: str | None,
    data_class: str,
    as_json: bool,
) -> None:
    """Import FILE: JSON Lines with "messages", CSV, Excel (.xlsx), or an SQLite file (.db).

    The last message is the answer; other fields are kept beside it, to split and slice by. A wrong
    row is named by its place, and then nothing is imported.
    """
    order = ImportData(
        path=str(file.resolve()),
        name=name,
        columns=Columns(prompt=prompt, answer=answer, system=system, query=query),
        data_class=data_class,
    )
    _tell(call(lambda server: server.post("data", DataVersion, order)), as_json)


@command.command(name="list")
@json_option
def listing(as_json: bool) -> None:
    """List every version of every data set."""
    found = call(lambda server: server.get("data", list[DataVersion]))
    if as_json:
        emit(found)
    elif not found:
        click.echo("There is no data yet; `basket data import FILE --name NAME` takes some in.")
    else:
        table(
            ("NAME", "DIGEST", "MADE", "ROWS", "CLASS", "BY"),
            [
                (
                    each.name,
                    each.digest[7:19],
                    moment(each.created_at),
                    str(each.rows),
                    each.data_class,
                    f"erased, {each.erased_by}" if each.erased_by else each.made_by,
                )
                for each in found
            ],
            right=(3,),
        )


@command.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one version: its rows, class, lineage, and what detectors found in it."""
    _tell(_post("show", DataVersion, NamedData(name=name)), as_json)


@command.command()
@click.argument("name")
@json_option
def verify(name: str, as_json: bool) -> None:
    """Read every row again and compare it with its digest."""
    _tell(_post("verify", DataVersion, NamedData(name=name)), as_json)


@command.command()
@click.argument("name")
@json_option
def rm(name: str, as_json: bool) -> None:
    """Remove a version that nothing was made of."""
    gone = _post("remove", DataVersion, NamedData(name=name))
    if as_json:
        emit(gone)
    else:
        click.echo(f"{gone.name}@{gone.digest[7:19]} is removed.")


@command.command()
@click.argument("name")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="The share of rows to hold out.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same seed, the same split."
)
@click.option("--group", help="Keep rows with the same value of this field on one side.")
@click.option("--time", help="Hold out the latest by this field.")
@json_option
def split(
    name: str, share: float, seed: int, group: str | None, time: str | None, as_json: bool
) -> None:
    """Split into NAME-train and NAME-held-out. Rows that are nearly the same are never parted."""
    order = SplitData(name=name, share=share, seed=seed, group=group, time=time)
    made = _post("split", list[DataVersion], order)
    if as_json:
        emit(made)
    else:
        for each in made:
            _tell(each, as_json=False)


@command.command()
@click.argument("name")
@click.option("--against", multiple=True, help="An eval set that must not be in it; repeatable.")
@json_option
def check(name: str, against: tuple[str, ...], as_json: bool) -> None:
    """Name the rows that are empty, doubled, probably labelled wrongly, or in an eval set."""
    checked = _post("check", DataChecked, CheckData(name=name, against=against))
    if as_json:
        emit(checked)
        return
    click.echo(
        f"{checked.name}: {checked.rows} rows, {checked.answers} different answers,"
        f" {len(checked.faults)} faults"
    )
    if checked.faults:
        table(
            ("ROW", "PLACE", "FAULT", "WHY", "OTHER"),
            [
                (str(each.row), each.place, each.fault, each.why, each.other)
                for each in checked.faults[:_MOST_SHOWN]
            ],
            right=(0,),
        )
    if len(checked.faults) > _MOST_SHOWN:
        note(f"{len(checked.faults) - _MOST_SHOWN} more; --json shows all.")


@command.command()
@click.argument("name")
@json_option
def redact(name: str, as_json: bool) -> None:
    """Make a version with marks in place of personal data and secrets, the same for the same."""
    done = _post("redact", RedactedData, NamedData(name=name))
    if as_json:
        emit(done)
        return
    _tell(done.made, as_json=False)
    for kind, count in done.taken.items():
        click.echo(f"  {count} x {printable(kind)}")


@command.command()
@click.argument("name")
@click.option(
    "--to",
    "into",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; it must not be there.",
)
def export(name: str, into: Path) -> None:
    """Write a version's rows as JSON Lines, as they were imported."""
    rows = _post("rows", list[DataRow], NamedData(name=name))
    try:
        with into.open("xb") as file:
            for row in rows:
                file.write(msgspec.json.encode(row.content) + b"\n")
    except OSError as exc:
        raise InvalidRequest(f"{into} cannot be written: {exc.strerror}.") from exc
    click.echo(f"{len(rows)} rows in {into}.")


@command.command()
@click.option("--subject", help="Erase rows with these words in them: a name, an address.")
@click.option("--source", help="Erase rows of this source: a file's sha256:…, task:…, receipt:….")
@json_option
def erase(subject: str | None, source: str | None, as_json: bool) -> None:
    """Erase somebody, or a source, from every version of every data set.

    Says which versions are gone, what was made of them, and what erasure cannot reach.
    """
    if (subject is None) == (source is None):
        raise InvalidRequest("Say what to erase: either --subject or --source.")
    receipt = _post("erase", DataErased, EraseData(subject=subject, source=source))
    if as_json:
        emit(receipt)
        return
    click.echo(
        f"{receipt.rows} row{'s' * (receipt.rows != 1)} erased; the receipt is {receipt.id}."
    )
    for heading, names in (
        ("Gone", receipt.versions),
        ("In their place", receipt.made),
        ("To be made anew", receipt.retrain),
        ("Not reached", receipt.unreached),
    ):
        for each in names:
            click.echo(printable(f"  {heading}: {each}"))


def _post(path: str, kind: type[T], order: object) -> T:
    return call(lambda server: server.post(f"data/{path}", kind, order))


def _tell(version: DataVersion, as_json: bool) -> None:
    if as_json:
        emit(version)
        return
    click.echo(
        printable(
            f"{version.name}@{version.digest[7:19]}: {version.rows} rows, {version.data_class},"
            f" by {version.made_by}"
        )
    )
    if version.parent:
        click.echo(f"  made of {version.parent[7:19]}")
    for kind, count in version.findings.items():
        click.echo(printable(f"  holds {count} x {kind}"))
    if version.erased_by:
        click.echo(f"  erased: {version.erased_by}")
