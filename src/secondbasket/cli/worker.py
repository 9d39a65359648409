"""`basket worker`: who work can be handed to."""

from pathlib import Path

import click

from secondbasket.apps.workers.roster import Listed
from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, printable, table
from secondbasket.errors import BasketError
from secondbasket.server.admin.words import WorkerChecked, WorkerText


class WorkerWrong(BasketError):
    """A worker's file is not right."""

    code = "bad_worker"


@click.group()
def command() -> None:
    """List who work can be handed to, and check a worker's file."""


@command.command("list")
@json_option
def listing(as_json: bool) -> None:
    """Every worker: those that ship, and those in the home's folder `workers`."""
    workers = call(lambda server: server.get("workers", list[Listed]))
    if as_json:
        emit(workers)
        return
    table(
        ("WORKER", "FROM", "ROLE", "TOOLS", "NEEDS"),
        [_row(each) for each in workers],
    )


def _row(each: Listed) -> tuple[str, ...]:
    origin = "shipped" if each.shipped else "this home"
    if each.worker is None:
        wrong = "; ".join(f"{f.where}: {f.message}" for f in each.findings)
        return each.name, origin, f"not right: {wrong}", "", ""
    worker = each.worker
    return each.name, origin, worker.role, ", ".join(worker.tools), worker.needs


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Say what is wrong with a worker's file, and where."""
    given = WorkerText(file.name.removesuffix(".md"), file.read_text(errors="replace"))
    checked = call(lambda server: server.post("workers/check", WorkerChecked, given))
    if as_json:
        emit(checked)
    for finding in () if as_json else checked.findings:
        line = "" if finding.line is None else f":{finding.line}"
        click.echo(f"{file}{line}: {finding.where}: {printable(finding.message)}")
    if checked.findings:
        raise WorkerWrong(f"'{file}' has {len(checked.findings)} faults.")
    if not as_json:
        click.echo(f"'{given.name}' is right.")
