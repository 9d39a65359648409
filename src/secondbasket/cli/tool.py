"""`basket tool`: what workers can do."""

import difflib

import click
import msgspec

from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, printable, table
from secondbasket.errors import NotFound
from secondbasket.server.admin.words import ToolRow


@click.group()
def command() -> None:
    """Show what workers can do, and what each of it may touch.

    Tools come in families. [tools.FAMILY] in basket.toml says what a family is told, such as
    which databases and which origins there are.
    """


@command.command("list")
@json_option
def list_tools(as_json: bool) -> None:
    """List all tools.

    EFFECT: 'read' changes nothing, 'write' what is the company's own, 'external' reaches
    somebody outside. CLASS is the least its results count as. TAINTS: others may have written
    what it returns. ONCE: a call that is made again after a crash acts once.
    """
    tools = _tools()
    if as_json:
        emit(tools)
        return
    table(
        ("TOOL", "EFFECT", "CLASS", "TAINTS", "ONCE", "LIMIT"),
        [
            (
                tool.name,
                tool.effect + (" (own folder)" if tool.confined else ""),
                tool.data_class,
                "yes" if tool.from_outside else "no",
                "yes" if tool.takes_key or tool.effect == "read" else "no",
                f"{tool.limit_seconds:g} s",
            )
            for tool in tools
        ],
        right=(5,),
    )


@command.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one tool: what it does, and what arguments it takes."""
    tools = {tool.name: tool for tool in _tools()}
    tool = tools.get(name)
    if tool is None:
        near = difflib.get_close_matches(name, tools, n=1, cutoff=0.4)
        raise NotFound(
            f"There is no tool '{name}'.",
            hint=f"Did you mean '{near[0]}'?" if near else "`basket tool list` shows all.",
        )
    if as_json:
        emit(tool)
        return
    click.secho(printable(tool.name), bold=True)
    click.echo(printable(tool.description))
    where = ", in the task's own folder" if tool.confined else ""
    click.echo(
        f"Effect {tool.effect}{where} · class {tool.data_class} · at most {tool.limit_seconds:g} s"
    )
    if tool.from_outside:
        click.echo("Others may have written what it returns: a task that read it is tainted.")
    if tool.egress:
        click.echo("Its arguments leave the house.")
    click.echo("Arguments, as JSON Schema:")
    click.echo(printable(msgspec.json.format(msgspec.json.encode(tool.parameters)).decode()))


def _tools() -> list[ToolRow]:
    return call(lambda server: server.get("tools", list[ToolRow]))
