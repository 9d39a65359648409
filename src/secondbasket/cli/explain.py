"""`basket explain`: who may answer a request, who would, and why."""

import json
from typing import Any

import anyio
import click

from secondbasket.cli.connection import Connection, connect
from secondbasket.cli.home import read_home
from secondbasket.cli.output import emit, json_option, printable
from secondbasket.core.data_class import DataClass
from secondbasket.core.explanation import Explanation
from secondbasket.core.money import format_nano
from secondbasket.server.admin.words import ExplainOrder


@click.command()
@click.argument("text", nargs=-1)
@click.option(
    "--file",
    type=click.File(encoding="utf-8"),
    help="The body of a chat request as JSON, in place of TEXT; - reads standard input.",
)
@click.option(
    "--model", help="The basket to ask. Default: that of the file, or the first for chat."
)
@click.option("--key", metavar="ID", help="As if this key asked; `basket key list` has the ids.")
@click.option("--project", metavar="NAME", help="As if a key of this project asked.")
@click.option(
    "--data-class",
    type=click.Choice([each.label for each in DataClass]),
    default=DataClass.PUBLIC.label,
    help="As if the header x-basket-data-class said so.",
)
@json_option
def command(
    text: tuple[str, ...],
    file: Any,
    model: str | None,
    key: str | None,
    project: str | None,
    data_class: str,
    as_json: bool,
) -> None:
    """Say who may answer a request and who would, without sending it.

    Shows what the request counts as and why, what was found in it (by kind and number, never the
    text), which upstreams may see it and which rule keeps it from the others, and the order in
    which they would be asked at this moment, with the most that could cost.
    """
    if bool(text) == bool(file):
        raise click.UsageError("Give the TEXT of a request, or a whole one with --file.")
    if key is not None and project is not None:
        raise click.UsageError("A key has its own project: give --key or --project.")
    said: dict[str, Any] = {"messages": [{"role": "user", "content": " ".join(text)}]}
    request = _read(file) if file else said
    if model is not None:
        request["model"] = model
    explanation = anyio.run(_explain, request, key, project, data_class)
    if as_json:
        emit(explanation)
    else:
        _show(explanation)


def _read(file: Any) -> dict[str, Any]:
    try:
        request = json.load(file)
    except ValueError as exc:
        raise click.BadParameter(f"{file.name} is not JSON: {exc}.", param_hint="--file") from exc
    if not isinstance(request, dict):
        raise click.BadParameter(f"{file.name} is not a JSON object.", param_hint="--file")
    return request


async def _explain(
    request: dict[str, Any], key: str | None, project: str | None, data_class: str
) -> Explanation:
    # Which machines of ours would answer is known once their engines are placed.
    async with connect(engines=True) as server:
        if request.get("model") is None:
            request["model"] = await _model(server)
        order = ExplainOrder(request=request, key=key, project=project, data_class=data_class)
        return await server.post("explain", Explanation, order)


async def _model(server: Connection) -> str:
    """The default chat model, or the first basket for chat, ready or not."""
    default = read_home().settings.models.default_chat
    chats = [each.name for each in (await server.status()).baskets if each.task == "chat"]
    return default if default in chats or not chats else chats[0]


def _show(explanation: Explanation) -> None:
    _line("Class", explanation.data_class)
    for name, label in explanation.sources.items():
        decides = " (decides)" if name in explanation.raised_by else ""
        click.echo(f"  {printable(name)}: {label}{decides}")
    for found in explanation.findings:
        click.echo(f"  found {found.kind}: {found.count}")
    if explanation.unread:
        click.echo(f"  not read: {printable(', '.join(explanation.unread))}")
    _line("Allowed", f"asked by {explanation.routing}" if explanation.allowed else "nobody")
    for each in explanation.allowed:
        place = f"{each.place}." if each.place else "-"
        most = (
            ""
            if each.most_cost is None
            else f"at most {format_nano(each.most_cost, each.currency)}"
        )
        told = "; ".join(filter(None, (each.reason, each.unproven, most)))
        click.echo(
            f"  {place.ljust(3)} {printable(each.upstream)} (law {printable(each.law)}): ", nl=False
        )
        click.echo(printable(told))
        _rule(each.rule)
    if explanation.denied:
        _line("Denied", "")
    for denied in explanation.denied:
        click.echo(f"  {printable(denied.upstream)} (law {printable(denied.law)})")
        _rule(denied.rule)
    if not explanation.allowed:
        click.echo("Such a request is refused: nothing behind this model may see it.")


def _line(label: str, text: str) -> None:
    click.echo(f"{click.style(label.ljust(8), bold=True)} {printable(text)}".rstrip())


def _rule(rule: str) -> None:
    click.secho(f"      {printable(rule)}", dim=True)
