"""`basket`: finds the command, and turns what went wrong into one line and an exit status."""

import importlib
import os
import sys
from collections.abc import Sequence

import click

from secondbasket import __version__
from secondbasket.errors import BasketError

# Every command: its section of the help, its name, its one-line summary. The file of the same
# name under cli/ holds it; nothing of it is loaded to show this list.
COMMANDS: dict[str, dict[str, str]] = {
    "Run": {
        "up": "Serve the API and the console, in the foreground.",
        "chat": "Chat with a model in the terminal.",
        "tour": "See the whole stack at work on this machine, in two minutes.",
    },
    "Work": {
        "task": "Delegate work, follow it, approve it, and read what came of it.",
        "report": "Tell what workers did overnight, and what waits for you.",
        "worker": "List who work can be handed to, and check a worker's file.",
        "documents": "Add, list, search and erase the company's documents.",
        "memory": "Read, correct and erase what workers remember.",
        "tool": "Show what workers can do, and what each of it may touch.",
    },
    "Models": {
        "data": "Import, check, split, redact and erase data to train and measure on.",
        "model": "List, pull, show, verify, remove and recommend models.",
        "chips": "Show the chips that can run a model, and how fast they read.",
    },
    "Account": {
        "key": "Create, list and revoke API keys.",
        "usage": "Sum up tokens and money.",
        "receipt": "Show what happened for one request.",
        "egress": "Show what left this machine: to whom, and under which law.",
    },
    "Operate": {
        "explain": "Say who may answer a request and who would, without sending it.",
        "lint": "Say what the upstreams of a basket share, and what would break it.",
        "drill": "Take a law, vendor or engine away, and see what still answers.",
        "parity": "Measure whether the upstreams of a basket are equally good.",
        "status": "Show what is running: baskets, upstreams, engines, memory.",
        "reload": "Have the running server read basket.toml again.",
        "settings": "Show every setting, its value, and where that came from.",
        "ledger": "Verify, export and sign the ledger; its keys.",
        "doctor": "Check this set-up, and say how to mend it.",
        "backup": "Write the home into one file.",
        "restore": "Bring a home back from a backup.",
        "upgrade": "Bring the home's data to the installed version, after a backup.",
    },
}

EXAMPLES = """\
basket up                               start, and print a key and an example
basket chat "Why is the sky blue?"      one question, one answer, its receipt
basket model recommend                  which models this machine can run
basket key create --name ann --budget 5.00 --expires 30d
basket usage --by day --by key          what was used, and what it cost
"""


class BasketCommands(click.Group):
    """Loads a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"secondbasket.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        for section, commands in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl(list(commands.items()), col_max=10)
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in EXAMPLES.splitlines()))


@click.command(cls=BasketCommands, context_settings={"max_content_width": 100})
@click.version_option(__version__, message="Second Basket %(version)s")
def basket() -> None:
    """An AI stack your company runs itself.

    Open-weight models on your own machine behind an OpenAI-compatible API, with keys, budgets,
    and a receipt for every answer. Data lies in SECONDBASKET_HOME (`basket settings` says where).
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process: 0 done, 1 failed, 2 not understood, 130 interrupted."""
    os.umask(0o077)  # whatever a command writes, SQLite's own files too, is its owner's alone
    try:
        basket.main(args=arguments, prog_name="basket", standalone_mode=False)
    except BasketError as error:
        _complain(error.message, error.hint)
        status = 1
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except BrokenPipeError:
        # Whoever read our output left (`basket usage | head`); nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    else:
        status = 0
    sys.exit(status)


def _complain(message: str, hint: str) -> None:
    from secondbasket.cli.output import printable  # `basket --help` is quicker without

    click.echo(f"{click.style('Error:', fg='red')} {printable(message)}", err=True)
    if hint:
        click.echo(f"  {printable(hint)}", err=True)
